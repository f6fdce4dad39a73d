"""From a rule to a chip: quantiser, integer emulator, Lava, bundle and NIR.

Nothing is here yet; README.md says which backends exist.
"""
