"""The integer emulator: bit for bit what Lava's fixed point does, on many chips side by side.

Begin with emulator.py; kernels.py and step_kernels.py are its inner loops, compiled.py the circuit's arithmetic, by
numba. Imports program/ alone.
"""
