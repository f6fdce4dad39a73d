"""Does a backend do what the reference does? Every rule, beside it on the same spikes, for any registered backend.

    pytest --pyargs plastic.experiments.conformance --plastic-backend NAME

cells.py says what is compared, test_backend.py what must hold. It is for backends that compute in floating point what
the reference computes (`Capabilities.role` "compared"); plastic's own run it in tests/conformance. Some cells are
marked `slow`: with -m "not slow" the others remain, all kinds of rules on all kinds of networks among them.
"""
