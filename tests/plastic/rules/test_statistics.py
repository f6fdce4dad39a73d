"""Slow traces and short memories against loops over single numbers, for the rules' own and for the reference's."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from plastic.errors import PlasticError
from plastic.models.backends.reference.memory import recalled as recalled_by_reference
from plastic.models.backends.refusals import refusal
from plastic.models.studies.case import Case, case_task
from plastic.models.training.ensemble import Ensemble
from plastic.rules import LPL, BarlowTwins, InfoNCE, Rule, Signals, SimCLR, SimSiam, VICReg, all_rules, load_rule
from plastic.rules.memory import Memory
from plastic.rules.rule import LayerShape
from plastic.rules.statistics import Moments, batch_statistics, cross_covariance, decay_per_stimulus

pytestmark = pytest.mark.usefixtures("numpy_code")
UNITS, STIMULI = 3, 12


def course(streams: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Responses (stimuli, streams, units) and fixations ±1 (stimuli, streams)."""
    draw = np.random.default_rng(seed)
    fixation = np.where(draw.random((STIMULI, streams)) < 0.5, 1.0, -1.0)
    fixation[0] = -1
    return draw.random((STIMULI, streams, UNITS)) + np.arange(UNITS), fixation


class Own:
    """What a rule keeps itself, followed on arrays of one kind."""

    def __init__(self, rule: Rule, streams: int, decay: float, array: Callable[[Any], Any]) -> None:
        self.rule, self.decay, self.array = rule, decay, array
        shape = LayerShape(UNITS, 1, (1, UNITS), streams=streams, statistics_decay=decay)
        self.state = {name: array(np.zeros(size)) for name, size in rule.state(shape).items()}
        assert self.state

    def recalled(self, activity: np.ndarray, context: np.ndarray | None, y: np.ndarray) -> dict[str, Any]:
        """The state after this stimulus is a new one: what was given stays as it was."""
        held = np.zeros_like(activity) if context is None else context
        given = (self.array(x) for x in (activity, held, y))
        signals = Signals(*given, begun=float(context is not None), statistics_decay=self.decay)
        before = {name: np.array(np.asarray(value)) for name, value in self.state.items()}
        found: dict[str, Any] = {}
        if self.rule.reads.averages is not None:
            found["statistics"], after = self.rule.reads.averages.follow(signals, self.state)
        else:
            keys, allowed, after = Memory(self.rule.memory_slots).keys(signals, self.state)
            assert np.array_equal(keys[:, 0], held)
            assert np.array_equal(allowed[:, 0], np.ones(len(held)))
            found["memory"] = keys[:, 1:], allowed[:, 1:]
        assert after.keys() == before.keys()
        assert all(np.array_equal(self.state[name], value) for name, value in before.items())
        self.state = after
        return found


def told(rule: Rule, decay: float, streams: int) -> list[tuple[dict[str, Any], ...]]:
    """What the rule itself, in torch and in numpy, and the reference make of the course, stimulus by stimulus."""
    responses, fixation = course(streams)
    own = [Own(rule, streams, decay, array) for array in (torch.as_tensor, np.asarray)]
    other: dict[str, Any] = {}
    found = []
    for n in range(STIMULI):
        given = responses[n], None if n == 0 else responses[n - 1], fixation[n][:, None]
        reference = recalled_by_reference(rule, "layer1", *given, decay, other)
        found.append((*(one.recalled(*given) for one in own), reference))
    return found


def plain(statistics: Any) -> dict[str, np.ndarray]:
    return {k: np.asarray(v) for k, v in vars(statistics).items() if v is not None}


def scalar_loop(samples: list[tuple[float, float, float]]) -> tuple[float, float, float, float]:
    """Count, two means and covariance of weighted pairs (weight, a, b), from their definition."""
    total = sum(w for w, _, _ in samples)
    if total == 0:
        return 0.0, 0.0, 0.0, 0.0
    count = total**2 / sum(w * w for w, _, _ in samples)
    mean_a, mean_b = sum(w * a for w, a, _ in samples) / total, sum(w * b for w, _, b in samples) / total
    biased = sum(w * (a - mean_a) * (b - mean_b) for w, a, b in samples) / total
    return count, mean_a, mean_b, biased * count / (count - 1) if count > 1 + 1e-9 else 0.0


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("decay", [0.6, 0.97, 1.0])
@pytest.mark.parametrize("rule", [LPL(), BarlowTwins()], ids=["lpl", "barlow"])
def test_slow_traces_are_weighted_moments(rule: Rule, decay: float, streams: int) -> None:
    responses, fixation = course(streams)
    seen: list[tuple[int, np.ndarray, np.ndarray]] = []
    counts: list[float] = []
    covariances: list[float] = []
    for n, found in enumerate(told(rule, decay, streams)):
        for b in range(streams if n > 0 else 0):
            if rule.reads.averages is not None and (rule.reads.averages.over == "stimuli" or fixation[n, b] > 0):
                seen.append((n, responses[n, b], responses[n - 1, b]))
        for told_by in found:
            now, past = plain(told_by["statistics"].activity), plain(told_by["statistics"].context)
            cross = told_by["statistics"].cross_covariance
            for i in range(UNITS):
                for k in range(UNITS):
                    pairs = {
                        "covariance": [(decay ** (n - m), z[i], z[k]) for m, z, _ in seen],
                        "cross": [(decay ** (n - m), z[i], c[k]) for m, z, c in seen],
                        "context": [(decay ** (n - m), c[i], c[k]) for m, _, c in seen],
                    }
                    count, mean, _, covariance = scalar_loop(pairs["covariance"])
                    _, before, _, covariance_before = scalar_loop(pairs["context"])
                    assert now["count"].item() == pytest.approx(count, rel=1e-9)
                    if count > 0:
                        assert now["mean"][0, i] == pytest.approx(mean, rel=1e-10)
                        assert past["mean"][0, i] == pytest.approx(before, rel=1e-10)
                    if i == k:
                        assert now["variance"][0, i] == pytest.approx(covariance, rel=1e-9, abs=1e-14)
                        assert past["variance"][0, i] == pytest.approx(covariance_before, rel=1e-9, abs=1e-14)
                    if cross is None:
                        assert now["covariance"][i, k] == pytest.approx(covariance, rel=1e-9, abs=1e-14)
                    else:
                        assert cross[i, k].item() == pytest.approx(scalar_loop(pairs["cross"])[3], rel=1e-9, abs=1e-14)
        counts.append(count)
        covariances.append(covariance)
    assert 1.5 < max(counts) < len(responses) * streams
    assert max(np.abs(covariances)) > 0.01


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("decay", [0.6, 0.97, 1.0])
def test_the_share_of_fixations_is_a_weighted_mean(decay: float, streams: int) -> None:
    """By its definition: weights of all stimuli that had one before them, over the weights of the fixations."""
    _, fixation = course(streams)
    shares = []
    for n, found in enumerate(told(LPL(), decay, streams)):
        weights = [decay ** (n - m) for m in range(1, n + 1) for _ in range(streams)]
        here = [fixation[m, b] > 0 for m in range(1, n + 1) for b in range(streams)]
        paired = sum(w for w, one in zip(weights, here, strict=True) if one)
        for told_by in found:
            ratio = np.asarray(told_by["statistics"].per_pair).item()
            assert ratio == pytest.approx(sum(weights) / (paired or 1.0), rel=1e-12)
        shares.append(paired / sum(weights) if weights else 0.0)
    assert max(shares) - min(shares[2:]) > 0.1


@pytest.mark.parametrize("rule", [LPL(), VICReg()], ids=["lpl", "vicreg"])
@pytest.mark.parametrize("decay", [None, 0.9])
def test_the_pull_is_as_strong_however_often_the_gaze_moves(rule: Rule, decay: float | None) -> None:
    """Summed over stimuli, for views whose distance is the same in every stimulus: of 6 fixations in 8 as of 2."""
    draw = np.random.default_rng(0)
    z, c = draw.random((2, 8, UNITS))
    c = z + np.sign(c - 0.5)  # ‖z − c‖² = 3 everywhere
    units = LayerShape(UNITS, 1, (1, UNITS), streams=8, statistics_decay=decay)
    zeros = {k: np.zeros(shape) for k, shape in rule.state(units).items()}
    losses = []
    for fixations in (2, 6, 8):
        y = np.where(np.arange(8) < fixations, 1.0, -1.0)[:, None]
        terms = [
            replace(rule, pull=pull).third_factor(Signals(z, c, y, statistics_decay=decay), zeros, {})[0].loss.sum()
            for pull in (0.0, 1.0)
        ]
        losses.append((terms[1] - terms[0]) / 8)
    assert losses == pytest.approx([1.0, 1.0, 1.0])  # the mean over pairs of ‖z − c‖²/M


def test_without_memory_a_trace_is_the_statistic_of_the_batch() -> None:
    """τ = 0; and τ = ∞ is the statistic of all that was seen."""
    responses, _ = course(5)
    for n, (found, *_) in enumerate(told(LPL(), decay_per_stimulus(0.0), 5)):
        if n > 0:
            expected = np.cov(responses[n], rowvar=False)
            np.testing.assert_allclose(found["statistics"].activity.covariance, expected, rtol=1e-9, atol=1e-15)
    (found, *_) = told(LPL(), decay_per_stimulus(math.inf), 5)[-1]
    everything = responses[1:].reshape(-1, UNITS)
    known = found["statistics"].activity
    np.testing.assert_allclose(known.variance[0], everything.var(0, ddof=1), rtol=1e-9)
    assert known.count.item() == pytest.approx(len(everything))


def test_one_stimulus_has_no_variance_nor_has_one_and_almost_nothing() -> None:
    """Forgotten within a stimulus: the count is 1 to six digits, and all know of no variance."""
    for found in told(BarlowTwins(), 1e-8, 1):
        for told_by in found:
            known = told_by["statistics"]
            assert plain(known.activity)["count"].item() < 1 + 1e-6
            for view in (known.activity, known.context):
                assert not plain(view)["variance"].any()
            assert not np.asarray(known.cross_covariance).any()


@pytest.mark.parametrize("weighted", [True, False])
def test_statistics_of_a_batch_are_those_of_numpy_from_two_stimuli_on(weighted: bool) -> None:
    """Members count none, one, two, three or all of five stimuli; unbiased, and 0 where there are not two."""
    random = np.random.default_rng(2)
    x, y = random.normal(size=(2, 5, 5, 3))
    counted = np.array([[k >= 5 - n for k in range(5)] for n in (0, 1, 2, 3, 5)])
    weight = torch.as_tensor(counted[..., None]).double() if weighted else None
    one, other = torch.as_tensor(x), torch.as_tensor(y)
    seen, cross = batch_statistics(one, weight, True), cross_covariance(one, other, weight)
    plain_seen = batch_statistics(one, weight, False)
    for member, chosen in enumerate(counted if weighted else np.full((5, 5), True)):
        own, number = np.concatenate([x[member, chosen], y[member, chosen]], axis=1), int(chosen.sum())
        both = np.cov(own.T) if number > 1 else np.zeros((6, 6))
        assert seen.count[member].item() == number
        assert seen.mean[member, 0].tolist() == pytest.approx(own[:, :3].mean(0) if number else [0, 0, 0])
        np.testing.assert_allclose(seen.covariance[member], both[:3, :3], atol=1e-12)
        np.testing.assert_allclose(cross[member], both[:3, 3:], atol=1e-12)
        for found in (seen, plain_seen):
            np.testing.assert_allclose(found.variance[member, 0], np.diag(both)[:3], atol=1e-12)


@pytest.mark.parametrize("streams", [1, 3])
def test_the_memory_keeps_what_was_seen_last_of_each_object(streams: int) -> None:
    rule = InfoNCE(negatives=3, negatives_from="memory")
    responses, fixation = course(streams)
    queues: list[deque[list[float]]] = [deque(maxlen=3) for _ in range(streams)]
    for n, found in enumerate(told(rule, 0.9, streams)):
        for b, queue in enumerate(queues):
            if n > 0 and fixation[n, b] < 0:
                queue.appendleft(responses[n - 1, b].tolist())
            for told_by in found:
                memory, filled = (np.asarray(part)[b] for part in told_by["memory"])
                assert filled.tolist() == [1.0] * len(queue) + [0.0] * (3 - len(queue))
                assert memory[: len(queue)].tolist() == list(queue)
    assert all(len(queue) == 3 for queue in queues)


def contrastive(rule: Rule, weights: dict[str, torch.Tensor], given: dict[str, torch.Tensor]) -> torch.Tensor:
    """The published losses, written apart: one positive key, those of the memory that are filled, keys detached."""
    total = torch.zeros((), dtype=torch.float64)
    for b in torch.nonzero(given["y"][:, 0] > 0)[:, 0]:
        negatives = given["memory"][b][given["filled"][b] > 0]
        z, c = given["z"][b], given["c"][b]
        if isinstance(rule, InfoNCE):
            key = c if rule.sides == "both" else c.detach()
            scores = torch.cat([key[None], negatives]) @ weights["B"].T @ z / rule.temperature
            total = total - torch.log_softmax(scores, 0)[0]
        for anchor, key in ((z, c), (c, z)) if isinstance(rule, SimCLR) else ():
            keys = torch.cat([key.detach()[None], negatives])
            scores = torch.nn.functional.cosine_similarity(keys, anchor[None], dim=1) / rule.temperature
            if anchor is z or rule.sides == "both":
                total = total - torch.log_softmax(scores, 0)[0]
    return total


@pytest.mark.parametrize("sides", ["current", "both"])
@pytest.mark.parametrize("kind", [InfoNCE, SimCLR])
def test_contrast_with_a_memory_is_the_gradient_of_its_loss(kind: Any, sides: str) -> None:
    rule = kind(negatives_from="memory", sides=sides, temperature=0.4)
    torch.manual_seed(3)
    batch, slots = 7, rule.memory_slots
    filled = (torch.arange(slots) < torch.arange(batch)[:, None]).double()
    given = {
        "z": torch.rand(batch, 5).double().requires_grad_(),
        "c": torch.rand(batch, 5).double().requires_grad_(),
        "y": torch.tensor([[1.0], [-1.0], [1.0], [1.0], [-1.0], [1.0], [1.0]]).double(),
        "memory": torch.rand(batch, slots, 5).double(),
        "filled": filled,
    }
    weights = {"B": torch.randn(5, 5).double().requires_grad_()} if kind is InfoNCE else {}
    loss = contrastive(rule, weights, given)
    leaves = [given["z"], *([given["c"]] if sides == "both" else []), *weights.values()]
    expected = torch.autograd.grad(loss, leaves)
    third, _ = rule.third_factor(
        Signals(given["z"].detach(), given["c"].detach(), given["y"], begun=0.0),  # nothing is left at a saccade
        {"memory.responses": given["memory"], "memory.filled": filled},
        {k: v.detach() for k, v in weights.items()},
    )
    found = [third.current.value]
    if sides == "both":
        assert third.context is not None
        found.append(third.context.value)
    for product in third.learn.values():
        found.append((product.modulator * product.post).mT @ product.pre)
    assert third.loss is not None
    assert third.loss.sum().item() == pytest.approx(loss.item())
    z, c = given["z"].detach(), given["c"].detach()
    if kind is InfoNCE:
        score = torch.einsum("bi,ij,bj->b", z, weights["B"].detach(), c) / rule.temperature
        torch.testing.assert_close(third.signals["score"][:, 0], score)
    else:
        torch.testing.assert_close(third.signals["cosine"][:, 0], torch.nn.functional.cosine_similarity(z, c))
    for one, gradient in zip(found, expected, strict=True):
        assert gradient.norm() > 0.1
        assert (one + gradient).norm() / gradient.norm() < 1e-8


@pytest.mark.parametrize("backend", ["rate", "snntorch", "reference", "brian2"])
@pytest.mark.parametrize(("rule", "options"), [("lpl", {}), ("barlow", {}), ("infonce", {"negatives_from": "memory"})])
def test_traces_and_memories_are_part_of_the_checkpoint(backend: str, rule: str, options: dict[str, str]) -> None:
    """Two runs of 6 stimuli are one of 12, and without the traces they are not."""
    if backend == "brian2":
        pytest.importorskip("brian2")
    case = Case(rule, tuple(options.items()), streams=1)
    settings = case.settings("snntorch" if backend == "rate" else backend, "float64")
    if backend == "rate":
        settings = replace(settings, backend="rate", spiking=None)
    one, two, again, lost = (Ensemble(settings, [case_task(0)], [0], [0.05]) for _ in range(4))
    one.train(12)
    two.train(6)
    saved = two.snapshot()
    again.restore(saved)
    kept = ("statistics", "memory")
    lost.restore({k: v for k, v in saved.items() if not any(f".{word}." in k for word in kept)})
    for ensemble in (again, lost):
        ensemble.train(6)
    assert all(torch.equal(again.parameters[k], v) for k, v in one.parameters.items())
    assert any(not torch.equal(lost.parameters[k], v) for k, v in one.parameters.items())


@pytest.mark.parametrize("rule", ["lpl", "vicreg", "simsiam"])
def test_statistics_of_the_held_stimulus_are_those_of_the_context(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept since they were those of the activity: numpy's of the context, and a restored run, which computes them
    again, goes on to the last bit."""
    seen: list[Any] = []
    settings = replace(Case(rule).settings("snntorch", "float32"), backend="rate", spiking=None)
    third_factor, follow = type(settings.rule).third_factor, Moments.follow

    def watched(self: Any, signals: Any, state: Any, weights: Any) -> Any:
        known, after = self.reads.averages.follow(signals, state)
        seen.append((signals, known))
        monkeypatch.setattr(type(self.reads.averages), "follow", lambda *given: (known, after))
        third = third_factor(self, signals, state, weights)
        monkeypatch.setattr(type(self.reads.averages), "follow", follow)
        return third

    one, two, again = (Ensemble(settings, [case_task(0)], [0], [0.05]) for _ in range(3))
    two.train(5)
    again.restore(two.snapshot())
    again.train(5)
    monkeypatch.setattr(type(settings.rule), "third_factor", watched)
    one.train(10)
    assert all(torch.equal(again.parameters[k], v) for k, v in one.parameters.items())
    kept = 0
    for (before, was), (now, one_knows) in zip(seen, seen[2:], strict=False):  # two layers
        assert torch.equal(before.activity, now.context)
        kept += one_knows.context is was.activity
        for known, responses in ((one_knows.context, now.context[0]), (one_knows.activity, now.activity[0])):
            x = responses.numpy().astype(float)
            np.testing.assert_allclose(known.mean[0, 0], x.mean(0), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(known.variance[0, 0], x.var(0, ddof=1), rtol=1e-4, atol=1e-6)
            if known.covariance is not None:
                np.testing.assert_allclose(known.covariance[0], np.cov(x.T), rtol=1e-4, atol=1e-6)
                np.testing.assert_allclose(known.lateral[0], (x - x.mean(0)) @ np.cov(x.T), rtol=1e-3, atol=1e-5)
    assert kept == len(seen) - 2 > 10
    assert max(float(known.activity.variance.max()) for _, known in seen) > 1e-3


def test_one_stream_takes_traces_and_several_their_batch() -> None:
    case = Case("lpl", streams=4).settings("snntorch", "float64")
    assert case.statistics_decay is None
    assert replace(case, batch=1).statistics_decay == math.exp(-1 / 100)
    assert replace(case, statistics="traces", statistics_time_constant=5.0).statistics_decay == math.exp(-0.2)
    with pytest.raises(PlasticError, match="--statistics traces"):
        Ensemble(replace(case, batch=1, statistics="batch"), [case_task(0)], [0], [0.1])


@pytest.mark.parametrize("rule", [rule for rule in all_rules().values() if rule.reads.one_stream])
def test_the_way_to_one_stream_that_a_refusal_names_leads_there(rule: type[Rule]) -> None:
    named = " ".join(f"{k}={v}" for k, v in rule.reads.one_stream.items())
    assert f"--rule-options {named}" in (refusal(rule(), "brian2", 1) or "")
    assert refusal(load_rule(rule.name, dict(rule.reads.one_stream)), "brian2", 1) is None


def test_simsiam_keeps_only_means_online() -> None:
    """Its centred views need no covariance, so none is kept."""
    settings = Case("simsiam", streams=1).settings("snntorch", "float64")
    ensemble = Ensemble(settings, [case_task(0)], [0], [0.05])
    ensemble.train(2)
    assert any(k.endswith(".activity.mean") for k in ensemble.learner.state)
    assert not any("activity.activity" in k or "activity.context" in k for k in ensemble.learner.state)
    assert SimSiam.reads.averages == Moments()


@pytest.mark.parametrize("rule", ["lpl", "vicreg", "barlow", "simsiam"])
def test_slow_traces_in_single_precision(rule: str) -> None:
    """From the first pair on, where a variance is of one sample; the same as in double precision."""
    ends = []
    for dtype in ("float32", "float64"):
        ensemble = Ensemble(Case(rule, streams=1).settings("snntorch", dtype), [case_task(0)], [0], [0.005])
        start = {k: v.clone() for k, v in ensemble.parameters.items()}
        ensemble.train(10)
        ends.append({k: v.double() - start[k].double() for k, v in ensemble.parameters.items()})
    for name, moved in ends[1].items():
        assert moved.norm() > 1e-4
        assert (ends[0][name] - moved).norm() < 1e-2 * moved.norm()
