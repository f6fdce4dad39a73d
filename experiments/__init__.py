"""The questions asked with plastic, and the benchmarks. Run one with python -m plastic.experiments.studies.NAME.

sweeps/ are many runs of one question, figures/ their pictures, studies/ questions asked once, conformance/ compares
backends with the reference, benchmarks/ measure the cost. Imports plastic, plastic.models and plastic.hardware.
"""
