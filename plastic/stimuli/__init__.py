"""What a network is given: tasks (strings, images, recordings), pairings, codings and the stream of fixations.

Begin with tasks.py, which makes them by name, and stream.py. Imports errors alone.
"""

from plastic.stimuli.task import Task
from plastic.stimuli.tasks import digits, events, images, rhm

__all__ = ["Task", "digits", "events", "images", "rhm"]
