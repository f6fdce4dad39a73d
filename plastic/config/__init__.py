"""The settings of a run: what there is (settings), what is left open (defaults), files, refusals."""

from plastic.config.settings import Architecture, ChipOptions, Config, Spiking, Stimuli, Training

__all__ = ["Architecture", "ChipOptions", "Config", "Spiking", "Stimuli", "Training"]
