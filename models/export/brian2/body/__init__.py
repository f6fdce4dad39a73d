"""What an exported Brian2 script says in the same words for every run: real modules, whose definitions are copied.

plastic.models.export.brian2.copied takes whole functions and classes, and only those that a script uses. So nothing
here may import plastic, but for one part another; learning.py and data.py need numpy alone, the rest Brian2.
"""
