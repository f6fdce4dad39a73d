"""From a config to the folder of its run, and back.

Begin with simulate.py.
"""
