"""Training of networks side by side: settings, presentation, initial weights, observers, records.

Begin with ensemble.py. Imports network, neuron, learning and backends.
"""
