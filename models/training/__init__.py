"""Training of networks side by side: initial weights, probes, metrics, records, what is refused.

Begin with ensemble.py. Imports network, neuron, learning, settings, presentation and backends.
"""
