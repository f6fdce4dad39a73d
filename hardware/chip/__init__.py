"""Chips behind the interface of every backend: emulated, or on Lava with the emulator as witness."""
