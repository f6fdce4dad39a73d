"""Experiments on rules: one rule on several backends (check), updates beside a reference's (align), one synapse.

Begin with case.py, the small network of a check. Imports all rooms of plastic.models but runs and export.
"""
