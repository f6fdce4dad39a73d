"""Updates compared: against autograd on the same batch, and without disturbing the training."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from plastic.cli import main
from plastic.errors import PlasticError
from plastic.models.settings import Settings
from plastic.models.studies.align import Comparison, align
from plastic.models.studies.updates import cosine, updates
from plastic.models.training.ensemble import Ensemble
from plastic.rules import BP, DFA, BPCLAPPpp, BPInfoNCE, CLAPPpp, InfoNCE, load_rule
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.strings import rhm_task

TASK = rhm_task(RandomHierarchyModel(4, 4, 3, 2, 2, 0), 60, seed=0, test_size=40)


def settings(rule, **more) -> Settings:
    return Settings(rule, (12, 10), topology="dense", batch=16, dtype=torch.float64, **more)


def test_a_rule_is_aligned_with_itself_and_not_with_another() -> None:
    same, _ = align(settings(BP()), BP, TASK, 0, 1e-3, 6, 2)
    assert [row["step"] for row in same] == [0, 3, 6]
    for row in same:
        assert row["cosine"] == pytest.approx([1, 1])
        assert row["norm_ratio"] == pytest.approx([1, 1])
    other, kind = align(settings(DFA()), BP, TASK, 0, 1e-3, 6, 1)
    assert max(abs(c) for c in other[-1]["cosine"]) < 0.95
    assert kind == "redrawn"


def test_cosine_and_ratio_are_those_of_autograds_gradients() -> None:
    """DFA and BP on one batch, both gradients written out."""
    ensemble = Ensemble(settings(DFA()), [TASK], [0], [1e-3])
    comparison = Comparison(ensemble, BP(), [], 1e-3)
    batch = comparison.batches[0]
    p = {k: v[0].clone().requires_grad_() for k, v in ensemble.parameters.items()}
    z1 = torch.relu(batch.inputs[0] @ p["layer1.weight"].T)
    z2 = torch.relu(z1 @ p["layer2.weight"].T)
    logits = z2 @ p["readout.weight"].T
    labels = batch.target[0].argmax(1)
    bp = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), p["layer1.weight"], retain_graph=True)[0]
    error = (torch.softmax(logits, 1) - batch.target[0]).detach()
    dfa = torch.autograd.grad((z1 * (error @ p["layer1.B"].detach().T)).sum(), p["layer1.weight"])[0]
    comparison.batches = [batch, batch]
    comparison.compare(0)
    row = comparison.rows[0]
    assert row["cosine"][0] == pytest.approx(float(F.cosine_similarity(bp.flatten(), dfa.flatten(), dim=0)))
    assert row["norm_ratio"][0] == pytest.approx(float(dfa.norm() / bp.norm()))
    assert row["cosine_std"] == pytest.approx([0, 0])
    assert row["reference_norm"][0] == pytest.approx(float(bp.norm()))
    assert all(abs(n) < 4 * s for n, s in zip(row["null"], row["null_std"], strict=True))


def test_comparing_does_not_change_the_training() -> None:
    watched, alone = (Ensemble(settings(CLAPPpp()), [TASK], [0], [1e-3]) for _ in range(2))
    comparison = Comparison(watched, BPCLAPPpp(), [2, 4], 1e-3)
    watched.train(5, comparison)
    alone.train(5)
    assert len(comparison.rows) == 3
    for name, value in alone.parameters.items():
        assert torch.equal(watched.parameters[name], value), name


def test_circuits_that_only_the_reference_has_learn_along_the_way() -> None:
    ensemble = Ensemble(settings(CLAPPpp()), [TASK], [0], [1e-2])
    comparison = Comparison(ensemble, BP(), [], 1e-2)
    assert comparison.learning == {"readout.weight"}
    before = comparison.parameters["readout.weight"].clone()
    batch = comparison.batches[0]
    losses = []
    for _ in range(2):
        z = torch.relu(batch.inputs[0] @ ensemble.parameters["layer1.weight"][0].T)
        z = torch.relu(z @ ensemble.parameters["layer2.weight"][0].T)
        logits = z @ comparison.parameters["readout.weight"][0].T
        losses.append(float(F.cross_entropy(logits, batch.target[0].argmax(1))))
        ensemble.train(20, comparison)
    assert not torch.equal(before, comparison.parameters["readout.weight"])
    assert losses[1] < losses[0]


@pytest.mark.parametrize(
    ("rule", "reference"),
    [(CLAPPpp(f="softplus"), BPCLAPPpp), (CLAPPpp(feedback="dfb"), BPCLAPPpp), (InfoNCE(negatives=3), BPInfoNCE)],
    ids=str,
)
def test_the_top_layer_shares_its_loss_with_the_reference(rule, reference) -> None:
    """Same circuit, negatives and options at the top, so the update is the same there and not below."""
    row = align(settings(rule), reference, TASK, 0, 1e-3, 4, 1)[0][-1]
    assert row["cosine"][-1] == pytest.approx(1)
    assert row["norm_ratio"][-1] == pytest.approx(1)
    assert row["cosine"][0] < 0.999


def test_nothing_is_changed_by_asking_for_updates() -> None:
    ensemble = Ensemble(settings(DFA()), [TASK], [0], [1e-3])
    before = {k: v.clone() for k, v in ensemble.parameters.items()}
    comparison = Comparison(ensemble, BP(), [], 1e-3)
    found = updates(ensemble.network, DFA(), "relu", ensemble.parameters, comparison.batches[0])
    assert cosine(found["layer1.weight"], found["layer1.weight"]) == pytest.approx(1)
    assert all(torch.equal(v, before[k]) for k, v in ensemble.parameters.items())


TINY = (
    *("--levels", "2", "--train-size", "64", "--width", "8", "--steps", "4", "--batch", "8", "--comparisons", "2"),
    *("--topology", "dense"),
)


def test_the_command_prints_draws_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "picture.png"
    arguments = ["align", "--rules", "clapp++:f=softplus,dfa", "--reference", "bp-clapp++", "--activation", "linear"]
    assert main([*arguments, *TINY, "--out", str(out), "--json"]) == 0
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    written = json.loads((tmp_path / "picture.json").read_text())
    assert written.items() >= record.items()
    again = shlex.split(written["command"])
    assert again[:2] == ["plastic", "align"]
    assert main([*again[1:], "--out", str(tmp_path / "again.png")]) == 0  # the command says all that matters
    assert json.loads((tmp_path / "again.json").read_text())["rules"] == record["rules"]
    assert out.read_bytes().startswith(b"\x89PNG")
    assert list(record["rules"]) == ["clapp++ f=softplus", "dfa"]
    assert record["nulls"] == {"clapp++ f=softplus": "redrawn", "dfa": "redrawn"}
    assert (record["batches"], record["draws"], record["vanished_below"]) == (4, 8, 0.01)
    assert record["vanished"]["dfa"] == [[False, False, False]] * 2
    rows = record["rules"]["clapp++ f=softplus"]
    assert [row["step"] for row in rows] == [0, 2, 4]
    assert rows[-1]["lateral"]["B"][-1] == pytest.approx(1, abs=1e-5)  # of the top layer with itself
    assert "cosine of the updates" in printed.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--rules", "dfa,nope"], "unknown rule 'nope'"),
        (["--rules", "dfa", "--reference", "nope"], "unknown rule 'nope'"),
        (["--rules", " , "], "--rules names no rule"),
        (["--rules", "dfa:wrong=1"], "has no option 'wrong'"),
        (["--rules", "ff"], "'ff' is shown other inputs"),
        (["--rules", "dfa", "--comparisons", "0"], "--comparisons is 0"),
        (["--rules", "dfa", "--out", "nowhere/x.png"], "'nowhere/x.png' (there is no such folder)"),
        (["--rules", "dfa", "--out", "x.docx"], "--out ends in .png, .pdf or .svg"),  # and nothing was trained
        (["--rules", "dfa", "--out", "x.json"], "--out ends in .png, .pdf or .svg"),
        (["--rules", "dfa", "--data", "digits"], "--levels is of --data rhm"),
        (["--rules", "dfa", "--probes", "3"], "--comparisons"),
        (["--rules", "dfa", "--probe", "ridge"], "--probe is of plastic simulate"),
    ],
)
def test_bad_input_gets_one_sentence(
    arguments: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["align", *TINY, *arguments]) == 2
    assert named in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_every_rule_that_can_be_compared_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fa", "usf", "drtp", "eprop", "clapp", "lpl", "barlow", "simsiam", "espp", "last-layer", "none"):
        row = align(settings(load_rule(name)), BP, TASK, 0, 1e-3, 2, 1)[0][-1]
        assert all(-1 <= c <= 1 for c in row["cosine"])
        assert (max(map(abs, row["cosine"])) > 0) == (name != "none")


def test_rules_that_remember_objects_are_refused() -> None:
    """In a comparison they remember none, so that their update would be 0."""
    with pytest.raises(PlasticError, match=r"remembers objects .* negatives_from=batch"):
        align(settings(InfoNCE(negatives_from="memory")), BP, TASK, 0, 1e-3, 2, 1)


def test_it_is_compared_on_streams_like_those_of_the_training() -> None:
    for probability, expected in ((1.0, 1.0), (0.0, -1.0)):
        ensemble = Ensemble(settings(DFA(), fixation_probability=probability), [TASK], [0], [1e-3])
        batches = Comparison(ensemble, BP(), [1], 1e-3).batches
        assert all((batch.fixation == expected).all() for batch in batches)
