"""From a rule and a float network to a program: tracer, circuit, quantiser.

Begin with circuit.py.
"""
