"""Many runs of one question: a TOML file, its members, their store and measures.

Begin with spec.py.
"""
