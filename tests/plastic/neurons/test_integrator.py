"""The leaky integrator: by hand, and as the readout of a rule that learns in every step."""

from __future__ import annotations

import numpy as np
import torch
from stepping import stepped

from plastic.models.learning.stepwise import Stepper
from plastic.models.network.layer import dense
from plastic.neurons import LeakyIntegrator
from plastic.rules import EProp
from plastic.rules.expressions import softmax


def test_by_hand() -> None:
    found = stepped(LeakyIntegrator(), [1.0, 4.0, 0.0, -1.0])
    assert found["membrane"].tolist() == [1.0, 4.5, 2.25, 0.125]
    assert not found["spike"].any()
    assert found["post_factor"].tolist() == [1, 1, 1, 1]


def test_it_is_the_readout_of_rules_that_learn_in_every_step() -> None:
    rule, network, random = EProp(learning_signal="step", leak=0.8), dense(3, (4,), 2), np.random.default_rng(0)
    weight, spikes = random.normal(size=(1, 2, 4)), (random.random((6, 4)) < 0.4).astype(float)
    parameters = {"layer1.weight": torch.zeros(1, 4, 3), "readout.weight": torch.as_tensor(weight)}
    zero = torch.zeros(1, 1, 2, dtype=torch.float64)
    parameters["layer1.B"] = zero.expand(1, 4, 2)
    stepper = Stepper(network, rule, parameters, [torch.zeros(1, 1, 4)], torch.ones(1, 1, 1), zero, [{}])
    for now in spikes:
        stepper.at([torch.as_tensor(now).view(1, 1, 1, 4)], [torch.zeros(1, 1)])
    found = stepped(LeakyIntegrator(), spikes @ weight[0].T, decay=rule.readout_decay)
    assert rule.readout_decay > 0
    np.testing.assert_allclose(torch.cat(stepper.errors)[:, 0].numpy(), softmax(found["membrane"]), atol=1e-12)
