"""One worked example of every rule, from what was published: worked_examples.toml, where each says from where.

The gradient tests beside this one compare updates with autograd's of losses that were transcribed for them
(tests/helpers/losses.py for the layerwise rules; cross-entropy and ⟨z, B s⟩ for direct feedback), so a mistake that
is in the transcription too would pass them. So would it pass most of the checks of single synapses: those of `dfa`,
`sdfa`, `drtp`, `eprop`, `fa`, `usf` work out the update from a B that the rule drew, those of `lpl`, `vicreg`,
`barlow`, `simclr`, `infonce` repeat the rule's formula at one neuron, where many terms vanish. Here inputs, weights and
results are numbers, of several neurons, with gates open and shut and masks of both kinds.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from harness import Case

from plastic.models.network.layer import dense
from plastic.rules import Moment, all_rules, load_rule
from plastic.rules.rule import LayerShape

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path(__file__).with_name("worked_examples.toml")
EXAMPLES: dict[str, Any] = tomllib.loads(FILE.read_text(encoding="utf-8"))
SCENES = EXAMPLES.pop("scenes")


def tensor(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_every_rule_has_an_example_and_a_source() -> None:
    assert EXAMPLES.keys() == all_rules().keys()
    assert all(len(one["loss"]) > 10 and len(one["how"]) > 5 for one in EXAMPLES.values())


def shown(name: str, example: dict[str, Any]) -> Case:
    """The scene of an example, with its weights."""
    scene = SCENES[example["scene"]]
    rule = load_rule(name, example.get("options"))
    case = Case(rule, dense(2, tuple(scene["widths"]), 2), "relu", batch=len(scene["inputs"]))
    weights = {k: v for k, v in (scene["weights"] | example.get("weights", {})).items() if k in case.parameters}
    assert set(case.parameters) == set(weights), "weights that were drawn and not given"
    for parameter, value in weights.items():
        case.parameters[parameter] = tensor([value])
    case.before, case.inputs, y = (tensor(scene[key]) for key in ("before", "inputs", "fixation"))
    case.fixation, case.target = y[:, None], tensor(scene.get("target", [[1, 0]] * len(y)))
    return case


@pytest.mark.parametrize("name", [name for name, one in EXAMPLES.items() if one["scene"] != "steps"])
def test_the_update_is_what_was_worked_out(name: str) -> None:
    example = EXAMPLES[name]
    found, seen = shown(name, example).updates()
    assert found.keys() == example["update"].keys()
    for parameter, value in example["update"].items():
        torch.testing.assert_close(found[parameter], tensor(value), rtol=1e-12, atol=1e-13)
    if "value" in example:
        assert seen[0].third.loss is not None
        loss = seen[0].third.loss
        assert (loss.sum() / loss.shape[1]).item() == pytest.approx(example["value"], rel=1e-14)


def test_the_steps_of_spiking_lpl_are_what_was_worked_out() -> None:
    example = EXAMPLES["lpl-spiking"]
    rule = load_rule("lpl-spiking", example["options"])
    assert math.exp(-1 / rule.rise) == pytest.approx(0.5, rel=1e-15)  # type: ignore[attr-defined]
    state = {name: np.zeros(shape) for name, shape in rule.state(LayerShape(1, 2, (2, 1))).items()}
    one, found = np.ones((1, 1)), []
    for spike in example["spikes"]:
        g, state = rule.step(Moment(one * spike, one, one, one), state, {})
        found.append(g.item())
    np.testing.assert_allclose(found, example["update"]["g"], rtol=1e-9)  # the means forget over 1e12 ms
