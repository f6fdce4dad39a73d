"""A readable Brian2 script that repeats a run without plastic.

Begin with script.py.
"""
