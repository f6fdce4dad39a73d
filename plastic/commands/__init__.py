"""The commands of the command line, one file each (or a few that belong together); plastic.cli lists them.

Begin with simulate.py. What simulates is imported within a function, so that the rest answers without torch.
"""
