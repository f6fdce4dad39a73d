"""A run in the form that other tools read: a Brian2 script, a NIR graph.

Begin with nir.py, the shorter one. Imports all rooms of plastic.models.
"""
