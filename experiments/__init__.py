"""The questions asked with plastic, and the benchmarks. Run one with python -m plastic.experiments.NAME."""
