"""Questions asked once, one file each: python -m plastic.experiments.studies.NAME. Imports sweeps."""
