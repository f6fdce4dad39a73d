"""Layers and projections as data, and the linear maps that they need.

Begin with layer.py; of_task.py makes networks that fit a task. Imports rules and stimuli.
"""
