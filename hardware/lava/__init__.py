"""Lava: the network of its processes, learning-rule strings, and runs on it. No other folder names a class of Lava's.

Begin with fixed.py, which runs an integer program, and network.py, which joins the processes; floating.py runs the
float network. processes/ is a leaf of its own: Lava imports every file beside a process. All but floating.py, which
imports compiler/ and plastic.models, is part of a bundle.
"""
