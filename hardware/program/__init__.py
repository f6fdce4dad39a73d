"""What a chip runs, as integers: the specification, the circuit and its arithmetic. numpy alone.

Begin with spec.py.
"""
