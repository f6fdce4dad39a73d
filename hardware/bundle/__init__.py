"""A program with its stimuli as a folder that runs on Lava without plastic.

Begin with write.py.
"""
