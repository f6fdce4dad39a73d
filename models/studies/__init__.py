"""Experiments on rules: one rule on several backends, updates beside a reference's, one synapse."""
