"""A run in the form that other tools read: a Brian2 script, a NIR graph.

Imports all rooms of plastic.models but studies.
"""
