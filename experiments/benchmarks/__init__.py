"""What it costs, as ratios in one process: python -m plastic.experiments.benchmarks.NAME."""
