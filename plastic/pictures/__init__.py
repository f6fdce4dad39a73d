"""Pictures of a run (run.py) and of compared updates (align.py), drawn with matplotlib. Imports config and traces."""
