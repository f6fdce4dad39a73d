"""The null of a cosine: fresh feedback of the same norm, whose directions are those of chance."""

from __future__ import annotations

import pytest
import torch

from plastic.models.network.layer import dense
from plastic.models.network.parameters import he_std, initial_parameters, specification
from plastic.models.studies.align import VANISHED, vanished
from plastic.models.studies.null import null_kind, null_updates, redrawn
from plastic.models.studies.updates import Batch, cosine, updates
from plastic.rules import load_rule

NEURONS = 24


def prepared(name: str, streams: int, **options: str):
    """A linear network of two layers, a rule and a batch."""
    network, rule = dense(10, (NEURONS, NEURONS), 5), load_rule(name, options)
    parameters = initial_parameters(specification(network, rule, he_std(network)), [0])
    draw = torch.Generator().manual_seed(0)
    x, before = torch.randn(2, 1, streams, 10, generator=draw, dtype=torch.float64)
    target = torch.eye(5, dtype=torch.float64)[torch.arange(streams) % 5][None]
    return network, rule, parameters, Batch(x, before, torch.ones(1, streams, 1, dtype=torch.float64), target)


@pytest.mark.parametrize(("name", "kind"), [("dfa", "redrawn"), ("bp", "turned")])
def test_of_one_stimulus_the_null_is_that_of_random_directions(name: str, kind: str) -> None:
    """One stimulus: ΔW = m xᵀ on both sides, so the cosine is that of m with a random direction, N(0, 1/n)."""
    network, rule, parameters, batch = prepared(name, 1)
    assert null_kind(network, parameters) == kind
    true = updates(network, load_rule("bp", {}), "linear", parameters, batch)["layer1.weight"]
    drawn = [null_updates(network, rule, "linear", parameters, batch, 0, k)["layer1.weight"] for k in range(150)]
    found = torch.tensor([cosine(one, true) for one in drawn])
    assert abs(float(found.mean())) < 4 / (150 * NEURONS) ** 0.5
    assert float(found.var()) * NEURONS == pytest.approx(1, abs=0.4)  # of 150 draws it is known to 0.12


def test_chance_alone_gives_more_where_stimuli_share_their_inputs() -> None:
    """Why a null is measured: an update of 240 weights would have a spread of 0.065 if its numbers were independent."""
    network, rule, parameters, batch = prepared("dfa", 20)
    true = updates(network, load_rule("bp", {}), "linear", parameters, batch)["layer1.weight"]
    drawn = [null_updates(network, rule, "linear", parameters, batch, 0, k)["layer1.weight"] for k in range(60)]
    assert float(torch.tensor([cosine(one, true) for one in drawn]).std()) > 1.2 * true.numel() ** -0.5


def test_a_turned_modulator_keeps_its_norm_and_what_stimuli_share() -> None:
    """ΔW′ = R ΔW in a linear network: same norm, same ΔWᵀΔW, in another direction."""
    network, rule, parameters, batch = prepared("usf", 16)
    true = updates(network, rule, "linear", parameters, batch)
    null = null_updates(network, rule, "linear", parameters, batch, 0, 0)
    assert set(null) == {"layer1.weight", "layer2.weight"}
    for name, turned in null.items():
        assert torch.allclose(turned.mT @ turned, true[name].mT @ true[name])
        assert abs(cosine(turned, true[name])) < 0.7


def test_redrawn_circuits_keep_their_norms_and_all_else_stays() -> None:
    network, _, parameters, _ = prepared("clapp++", 4, feedback="both")
    fresh, same, other = (redrawn(network, parameters, 3, draw) for draw in (0, 0, 1))
    circuits = {name for name in parameters if name.split(".")[1] != "weight"}
    assert circuits == {f"layer{i}.{b}" for i in (1, 2) for b in ("B", "B_top")}
    for name, weight in parameters.items():
        assert torch.equal(fresh[name], same[name])
        if name in circuits:
            assert float(fresh[name].norm()) == pytest.approx(float(weight.norm()))
            assert abs(cosine(fresh[name], weight)) < 0.2
            assert abs(cosine(fresh[name], other[name])) < 0.2
        else:
            assert fresh[name] is weight


@pytest.mark.parametrize("sides", ["current", "both"])
def test_both_stimuli_are_turned_where_both_are_credited(sides: str) -> None:
    network, rule, parameters, batch = prepared("vicreg", 16, sides=sides)
    true = updates(network, rule, "linear", parameters, batch)["layer1.weight"]
    null = null_updates(network, rule, "linear", parameters, batch, 0, 0)["layer1.weight"]
    assert float(null.norm()) == pytest.approx(float(true.norm()))
    assert abs(cosine(null, true)) < 0.7


def test_what_has_vanished_is_small_beside_the_largest_until_then() -> None:
    norms = [1.0, 10.0, 0.05, 0.2, 0.0]
    assert VANISHED == 0.01
    assert vanished([{"reference_norm": [n]} for n in norms], 0) == [False, False, True, False, True]
    assert vanished([{"reference_norm": [0.0]}], 0) == [True]
