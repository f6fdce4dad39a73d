"""A program with its stimuli as a folder that runs on Lava without plastic.

In plastic begin with write.py; export.py makes a bundle of a run, verify.py runs one beside the emulator. In a bundle
begin with run.py; container.py is the folder: files and their checksums. These two import what a bundle has alone.
"""
