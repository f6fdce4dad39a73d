"""From a rule to a chip: quantiser, integer program and its emulator, Lava, bundle and NIR.

program.py is the specification; compiler.py makes a rule's third factor a circuit, quantiser.py chooses the integers,
emulator.py runs them, lava/ and stock_network.py build Lava's processes, bundle.py writes what runs without plastic.
"""
