"""Lava: the network of its processes, learning-rule strings, and runs on it. No other folder names a class of Lava's.

processes/ is a leaf of its own: Lava imports every file beside a process.
"""
