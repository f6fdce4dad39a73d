"""Pictures of a run and of compared updates, drawn with matplotlib."""
