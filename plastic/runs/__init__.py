"""A run is a folder: what it holds, written whole or not at all.

Begin with folder.py. Imports config.
"""
