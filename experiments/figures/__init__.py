"""One file per figure: its numbers from the rows of a sweep, and its picture.

Begin with make.py, which runs them. Imports sweeps and studies.
"""
