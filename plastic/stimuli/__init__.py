"""What a network is given: tasks (strings, images, recordings), pairings, codings and the stream of fixations.

Begin with stream.py. Imports errors alone.
"""
