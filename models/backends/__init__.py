"""What runs a network: one folder or file for each simulator.

Imports network, neuron and learning.
"""
