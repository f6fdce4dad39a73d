"""All that is Lava's: processes and models of neurons and modulatory circuit.

A leaf package: it imports numpy and lava-nc alone, and nothing optional. Lava looks for the models of a process by
importing every file beside it, so nothing else may stand here. Before it is imported on Python 3.11 and later, call
load_lava() of plastic.hardware.lava.shim.
"""
