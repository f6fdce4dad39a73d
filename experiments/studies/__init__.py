"""Questions asked once: python -m plastic.experiments.studies.NAME."""
