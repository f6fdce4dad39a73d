"""The settings of a run: what there is (settings), what is left open (defaults), files, refusals.

Begin with settings.py. Imports the registry of backends, rules, stimuli and traces.spec.
"""

from plastic.config.settings import Architecture, ChipOptions, Config, Spiking, Stimuli, Training

__all__ = ["Architecture", "ChipOptions", "Config", "Spiking", "Stimuli", "Training"]
