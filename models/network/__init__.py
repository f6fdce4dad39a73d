"""Layers and projections as data, and the linear maps that they need.

Begin with layer.py. Imports the rules alone.
"""
