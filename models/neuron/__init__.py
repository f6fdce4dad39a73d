"""The neuron: constants of the canonical step, rate functions and pseudo-derivatives.

Begin with constants.py. Imports errors alone.
"""
