"""Networks and the simulators that run a rule on them.

network/ and neuron/ are data; learning/ turns responses into changed weights; settings is what networks share and
presentation what they are presented (views: of images); backends/ run networks; training/ trains them side by side;
runs/ has Simulation and writes run folders; studies/ and export/ use all of it. Imports plastic alone. Begin with
docs/architecture.md, or with runs/simulation.py.
"""
