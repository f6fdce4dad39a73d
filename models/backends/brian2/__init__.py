"""The canonical step in Brian2's own language.

Begin with equations.py.
"""
