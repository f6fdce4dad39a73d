"""Networks and the simulators that run a rule on them."""
