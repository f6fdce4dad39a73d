"""The constants of the canonical step, rate functions and pseudo-derivatives; neurons are declared in plastic.neurons.

Begin with constants.py. Imports errors and neurons.
"""
