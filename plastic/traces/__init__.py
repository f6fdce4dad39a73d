"""What a run records of its synapses, where it is kept, and how it is shown.

Begin with spec.py, what is asked for, and plan.py, what that is of a network; opened.py reads it back. Imports config,
runs and rules; spec.py and signals.py, which config imports, import errors alone.
"""
