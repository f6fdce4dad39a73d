"""Networks and the simulators that run a rule on them.

network/ and neuron/ are data; learning/ turns responses into changed weights; backends/ run networks; training/ trains
them side by side; runs/ writes their folders; studies/ and export/ use all of it. Imports plastic alone.
"""
