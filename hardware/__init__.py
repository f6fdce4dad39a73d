"""From a rule to a chip: what it runs as integers, what makes that of a float network, and what runs it.

program/ is the specification, compiler/ makes it, emulator/ runs it, lava/ builds Lava's processes, chip/ is the
backends, bundle/ writes what runs without plastic. Imports plastic and plastic.models. Begin with program/spec.py.

A bundle carries part of program/, lava/ and bundle/ byte for byte (the list is in bundle/write.py): those modules
import one another by relative imports, and beside them numpy and lava-nc alone.
"""
