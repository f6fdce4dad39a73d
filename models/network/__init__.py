"""What simulators compute with: sizes of layers, the linear maps that they need, which weights there are.

Begin with layer.py; compiled.py makes these of a network that was described (plastic.networks), mixed.py says which
rules can be in one. Imports networks, rules and stimuli.
"""
