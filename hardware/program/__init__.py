"""What a chip runs, as integers: the specification, the circuit and its arithmetic.

Begin with spec.py; circuit.py is the modulatory circuit as a list of operations, arithmetic.py the operations, and
running.py what a circuit keeps and sends over a run. Imports numpy, and of plastic the errors alone: it is part of
every bundle.
"""
