"""Experiments on one synapse against a loop by hand, and the same on every backend."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from plastic.cli import main
from plastic.models.neuron.constants import SpikingStep
from plastic.models.studies.synapse import STRONG, WEAK, Outcome, probe_rule
from plastic.rules import load_rule

pytestmark = pytest.mark.usefixtures("numpy_code")
LPL_ON_CHIP = ["--rule", "lpl", "--rule-options", "sides=current"]
STEP = SpikingStep(membrane_decay=0.8, trace_decay=0.85)


@pytest.fixture(autouse=True)
def _short_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for slow traces that are not those of the start; what is compared does not need them to settle."""
    monkeypatch.setattr("plastic.models.studies.synapse.WARM_UP", 8)


def by_hand(lag: int) -> float:
    """Eligibility of one pre spike that arrives at step 80 and a post spike `lag` steps later, scalar by scalar."""
    u = x = e = 0.0
    fired = []
    for t in range(160):
        u = STEP.membrane_decay * u + (WEAK if t == 80 else 0.0) + (STRONG if t == 80 + lag else 0.0)
        x = STEP.trace_decay * x + (1.0 if t == 80 else 0.0)
        e += x / (1 + STEP.slope * abs(u - STEP.threshold)) ** 2
        if u > STEP.threshold:
            fired.append(t)
            u = 0.0
    assert fired == [80 + lag]
    return e


def fixations(outcomes: list[Outcome]) -> list[Outcome]:
    return [one for one in outcomes if one.fixation > 0]


def test_the_window_of_spike_times_is_the_one_by_hand() -> None:
    _, outcomes = probe_rule(load_rule("clapp"), "snntorch", "stdp", 11, STEP)
    assert [one.x for one in fixations(outcomes)] == [-50, -40, -30, -20, -10, 0, 10, 20, 30, 40, 50]
    for one in outcomes:
        assert one.eligibility == pytest.approx(by_hand(int(one.x)), rel=1e-9)
        z, c = 1 / 160, 19 / 160  # one spike, after a context of nineteen; W_pred = 1
        assert one.dendrite == pytest.approx(c)
        assert one.gate == (one.fixation if one.fixation * z * c < 1 else 0)
        assert one.weight_change == pytest.approx(one.fixation * c * one.eligibility, rel=1e-6)
    causal, acausal = ([one.eligibility for one in fixations(outcomes) if one.x * side > 0] for side in (1, -1))
    assert min(causal) > max(acausal)


@pytest.mark.parametrize("protocol", ["stdp", "pairing-frequency", "gate-sweep"])
@pytest.mark.parametrize("rule", ["clapp", "dfa", "lpl"])
def test_every_backend_finds_the_same(rule: str, protocol: str) -> None:
    pytest.importorskip("brian2")
    if rule == "lpl" and protocol == "gate-sweep":
        pytest.skip("lpl has no circuit weights")
    found = [probe_rule(load_rule(rule), b, protocol, 3, STEP)[1] for b in ("reference", "snntorch", "brian2")]
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert list(vars(two).values()) == pytest.approx(list(vars(one).values()), rel=1e-6, abs=1e-12)
    assert len({round(one.weight_change, 12) for one in found[0]}) > 1


def test_the_gate_closes_where_the_hinge_says() -> None:
    _, outcomes = probe_rule(load_rule("clapp"), "snntorch", "gate-sweep", 21, STEP)
    z, c = 12 / 100, 49 / 100
    for one in outcomes:
        assert one.dendrite == pytest.approx(one.x * c)
        assert one.gate == (one.fixation if one.fixation * z * one.x * c < 1 else 0)
        assert one.weight_change == pytest.approx(one.modulator * one.eligibility, rel=1e-6)
    assert {one.gate for one in outcomes} == {-1.0, 0.0, 1.0}


def test_the_command_draws_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "stdp.svg"
    assert main(["probe-rule", "--rule", "lpl", "--points", "3", "--out", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["protocol"] == "stdp"
    assert np.isfinite([one["weight_change"] for one in record["outcomes"]]).all()
    assert "fixation" in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--protocol", "ltp"], "--protocol is one of: stdp, pairing-frequency, gate-sweep"),
        (["--backend", "rate"], "need spikes"),
        (["--rule", "simclr"], "needs 2 of them"),
        (["--rule", "lpl", "--protocol", "gate-sweep"], "no gate to sweep"),
        (["--points", "1"], "at least 2"),
        (["--trace-decay", "2"], "--trace-decay is 2.0"),
        (["--out", "x.gif"], ".png, .pdf or .svg"),
        (["--out", "no/such/x.png"], "there is no such folder"),
        (["--repeats", "3"], "and snntorch does not"),
        (["--backend", "loihi", "--repeats", "0"], "--repeats is 0"),
        (["--backend", "loihi", "--rule", "lpl"], "take --rule-options sides=current"),
        (
            ["--backend", "loihi", "--rule", "lpl", "--rule-options", "sides=current", "--protocol", "gate-sweep"],
            "no gate",
        ),
        (["--rule-options", "sides"], "KEY=VALUE"),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: list[str],
    named: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["probe-rule", *arguments]) == 2
    errors = capsys.readouterr().err
    assert named in errors
    assert errors.count("\n") == 1
    assert not list(tmp_path.iterdir())
