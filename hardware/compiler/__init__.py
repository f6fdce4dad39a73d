"""From a rule and a float network to a program: tracer, circuit, quantiser.

Begin with circuit.py, which calls the rule's lines; quantiser.py chooses the integers. Imports program/ and
plastic.models.
"""
