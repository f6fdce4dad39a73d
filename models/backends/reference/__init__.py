"""The reference: the canonical step in numpy float64, a loop over time, which all others are tested against.

Begin with step.py.
"""
