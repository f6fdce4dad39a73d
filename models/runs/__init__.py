"""A simulation, and from a config to the folder of its run and back.

Begin with simulation.py, the object that scripts, commands and sweeps share; simulate.py writes a folder while it runs.
Imports all rooms of plastic.models but studies and export.
"""
