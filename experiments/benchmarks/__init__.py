"""What it costs, as ratios in one process: python -m plastic.experiments.benchmarks.NAME.

One file per question; plain_torch.py, plain_snntorch.py and brian2_by_hand.py are what plastic is compared with.
"""
