"""The integer emulator: bit for bit what Lava's fixed point does.

Begin with emulator.py.
"""
