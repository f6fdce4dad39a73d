"""From responses to changed weights: signals, third factors, eligibilities, optimizers.

Begin with learner.py. Imports network, neuron and the rules.
"""
