"""What a run records of its synapses, where it is kept, and how it is shown."""
