"""A member of an ensemble learns what its single run learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from plastic.errors import PlasticError
from plastic.hardware.chip.on_lava import quantised_of
from plastic.hardware.chip.options import Hardware
from plastic.models.backends.reference import step as reference
from plastic.models.neuron.constants import SpikingStep
from plastic.models.settings import Settings, SpikeInput
from plastic.models.training.ensemble import Ensemble
from plastic.models.training.metrics import layer_metrics
from plastic.networks import of_task
from plastic.probes import probe
from plastic.rules import load_rule
from plastic.stimuli.digit_images import digits_task
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.strings import rhm_task
from plastic.stimuli.task import Task
from plastic.stimuli.views import Views

MEMBERS = ((0, 40, 1e-3), (1, 70, 1e-3), (2, 70, 5e-3))  # seed, train size, learning rate


def task(seed: int, size: int) -> Task:
    return rhm_task(RandomHierarchyModel(6, 4, 3, 2, seed=seed), size, seed=seed, test_size=20)


@pytest.mark.parametrize("backend", ["rate", "snntorch"])
@pytest.mark.parametrize("rule", ["clapp", "dfa", "bp"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_members_equal_single_runs(rule: str, backend: str, optimizer: str) -> None:
    settings = Settings(
        rule=load_rule(rule),
        widths=(12, 10),
        batch=16,
        optimizer=optimizer,
        spiking=SpikingStep() if backend == "snntorch" else None,
    )
    together = Ensemble(
        settings, [task(s, p) for s, p, _ in MEMBERS], [s for s, _, _ in MEMBERS], [r for _, _, r in MEMBERS]
    )
    start = {k: v.clone() for k, v in together.parameters.items()}
    together.train(70)  # beyond one block of the stream
    for member, (seed, size, rate) in enumerate(MEMBERS):
        alone = Ensemble(settings, [task(seed, size)], [seed], [rate])
        alone.train(70)
        for name, value in alone.parameters.items():
            torch.testing.assert_close(together.parameters[name][member], value[0], rtol=1e-5, atol=1e-5)
            assert value.grad_fn is None
        moved = (alone.parameters["layer1.weight"][0] - start["layer1.weight"][member]).abs().max()
        assert moved > 1e-4, "nothing was learned, so nothing was compared"
        assert alone.probe() == together.probe(member)


def assert_members_are_single_runs(settings: Settings, tasks: Sequence[Task], stimuli: int) -> list[torch.Tensor]:
    """Each member of one ensemble begins as its single run to the last bit, and ends as it; their last weights."""
    together = Ensemble(settings, tasks, [0] * len(tasks), [0.01] * len(tasks))
    start = {k: v.clone() for k, v in together.parameters.items()}
    together.train(stimuli)
    found = []
    for member, one in enumerate(tasks):
        alone = Ensemble(settings, [one], [0], [0.01])
        for name, value in alone.parameters.items():
            assert torch.equal(start[name][member], value[0]), f"{name} of member {member} begins elsewhere"
        alone.train(stimuli)
        for name, value in alone.parameters.items():
            torch.testing.assert_close(together.parameters[name][member], value[0], rtol=1e-6, atol=1e-7)
        found.append(alone.parameters["layer1.weight"][0])
        assert not torch.equal(found[-1], start["layer1.weight"][member]), "nothing was learned"
    return found


@pytest.mark.parametrize("first", ["class", "within"])
def test_members_may_differ_in_whether_they_see_views(first: str) -> None:
    """A sweep over pairings trains `class` and `within` side by side: only the second is shown views."""
    plain = digits_task(100, "class", 0, 20)
    kinds = {"class": plain, "within": replace(plain, objects=np.arange(100), views=Views(0.5, flip=False))}
    tasks = [kinds[first], *(one for name, one in kinds.items() if name != first)]
    settings = Settings(rule=load_rule("simclr"), widths=(2, 2), topology="conv", batch=8, dtype=torch.float64)
    ends = assert_members_are_single_runs(settings, tasks, 4)
    assert not torch.equal(*ends)


@pytest.mark.parametrize("initial_rate", [0.0, 0.1])
def test_members_begin_as_their_single_runs_whatever_the_others_are(initial_rate: float) -> None:
    """Of images each task has another mean intensity, and fewer examples than initial rates are measured on."""
    tasks = [digits_task(size, "class", seed, 20) for size, seed in ((20, 0), (100, 1))]
    settings = Settings(
        rule=load_rule("clapp"), widths=(20, 20), topology="dense", batch=8, spiking=SpikingStep(),
        initial_rate=initial_rate, optimizer="sgd", dtype=torch.float64,
    )  # fmt: skip
    assert_members_are_single_runs(settings, tasks, 4)


def test_recomputed_context_is_the_held_one_at_zero_learning_rate() -> None:
    """With frozen weights the response that was held is the response computed again."""
    losses = []
    for recompute in (False, True):
        settings = Settings(rule=load_rule("clapp"), widths=(12, 10), batch=16, recompute_context=recompute)
        ensemble = Ensemble(settings, [task(0, 40)], [0], [0.0])
        ensemble.train(3)
        row: dict[str, list[float | None]] = {}
        ensemble.step(layer_metrics(row))
        losses.append(row["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_control_keeps_its_weights() -> None:
    ensemble = Ensemble(Settings(rule=load_rule("none"), widths=(8, 8), batch=8), [task(0, 40)], [0], [1e-3])
    before = {k: v.clone() for k, v in ensemble.parameters.items()}
    ensemble.train(5)
    assert all(torch.equal(v, before[k]) for k, v in ensemble.parameters.items())


def test_a_backend_is_what_its_name_says() -> None:
    """No name falls through to another backend: an unknown one is refused, a chip is a chip."""
    step, task_ = SpikingStep(trace_timing="emitted"), task(0, 40)
    with pytest.raises(PlasticError, match="unknown backend 'nest'; --backend is one of: rate, reference"):
        Settings(load_rule("clapp"), widths=(6, 5), spiking=step, backend="nest")
    with pytest.raises(PlasticError, match="does not spike"):
        Settings(load_rule("clapp"), widths=(6, 5), spiking=step, backend="rate")
    chip = Settings(
        load_rule("clapp"), widths=(6, 5), shared=False, spiking=step, backend="loihi", batch=1, optimizer="sgd",
        options=Hardware(calibration=(20, 2)), dtype=torch.float64,
    )  # fmt: skip
    ensemble = Ensemble(chip, [task_], [0], [0.05])
    ensemble.train(3)
    for index, scale in enumerate(quantised_of(ensemble).program.scales, 1):
        steps = ensemble.parameters[f"layer{index}.weight"] * scale["weight"]
        torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-6)  # whole numbers of a chip


@pytest.mark.parametrize("name", ["dfa", "drtp"])  # one that reads the error, one whose readout alone does
def test_the_readouts_accuracy_is_that_of_the_largest_output(name: str) -> None:
    """In numpy, from the weights and the code of the test strings, of the second of two members."""
    ensemble = Ensemble(Settings(load_rule(name), (16, 10), batch=16), [task(0, 70), task(1, 70)], [0, 1], [3e-3] * 2)
    ensemble.train(200)
    weights = {k: v[1].double().numpy() for k, v in ensemble.parameters.items()}
    test = ensemble.tasks[1].test
    z = np.asarray(ensemble.tasks[1].analog)[test.inputs].reshape(20, 2, -1)
    for layer in ("layer1", "layer2"):
        z = np.maximum(0, z @ weights[f"{layer}.weight"].T).reshape(20, -1 if layer == "layer1" else 10)
        z = z.reshape(20, 1, -1)
    right = ((z[:, 0] @ weights["readout.weight"].T).argmax(1) == test.labels).mean()
    assert ensemble.readout(1) == pytest.approx(right)
    assert right > 0.4, "chance is about 0.25"


@pytest.mark.usefixtures("numpy_code")
@pytest.mark.parametrize("backend", ["snntorch", "reference", "brian2", "loihi"])
def test_a_spiking_readout_reads_the_spikes_per_step_that_the_reference_counts(backend: str) -> None:
    """The reference's loop on the test set's spikes, with the weights as they are, times W_out. On a chip, which has
    integers, on its own spikes."""
    chip = backend == "loihi"
    step, how = SpikingStep(trace_timing="emitted" if chip else "arrived"), SpikeInput(12)
    settings = Settings(
        load_rule("dfa"), (24, 16), shared=not chip, backend=backend, spiking=step, spike_input=how,
        batch=1 if backend in ("brian2", "loihi") else 8, optimizer="sgd",
        options=Hardware(calibration=(50, 4)) if chip else None,
        dtype=torch.float32 if backend == "snntorch" else torch.float64,
    )  # fmt: skip
    ensemble = Ensemble(settings, [task(1, 70)], [1], [0.02])
    ensemble.train(60)
    test = ensemble.tasks[0].test
    weights = {k: v[0].double().numpy() for k, v in ensemble.parameters.items()}
    if chip:
        z = ensemble.features(0, test, "probe-test")[-1]
    else:
        spikes = ensemble.presentation.examples(0, test.inputs, "probe-test", 0)[0].double().numpy()
        z = reference.respond(ensemble.network, settings.rule, step, weights, spikes)[-1].activity.reshape(20, -1)
    assert z.std() > 0, "it is silent"
    right = ((z @ weights["readout.weight"].T).argmax(1) == test.labels).mean()
    assert ensemble.readout() == pytest.approx(right)
    assert np.ptp(weights["readout.weight"]) > 0


def test_the_readout_of_an_image_reads_every_unit_and_the_probe_a_grid_of_means(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_task, "VGG", ((1, 1, 2), (2, 2, 2)))  # the top layer is 4 × 4, and a grid of 2 × 2
    images = digits_task(200, test_size=60)
    settings = Settings(load_rule("bp"), (4, 4), "conv", batch=16)
    ensemble = Ensemble(settings, [images], [0], [3e-3])
    ensemble.train(60)
    top = ensemble.network.layers[-1]
    seen = ensemble.features(0, images.test, "probe-test")[-1]
    inputs = ensemble.presentation.examples(0, images.test.inputs, "probe-test", 0)
    *_, response = ensemble.simulator.responder.respond(ensemble.parameters, inputs)  # type: ignore[attr-defined]
    whole = response.activity[0].flatten(1).double().numpy()
    assert seen.shape[1] < whole.shape[1] == top.units
    weight = ensemble.parameters["readout.weight"][0].double().numpy()
    assert ensemble.readout() == pytest.approx(((whole @ weight.T).argmax(1) == images.test.labels).mean())


@pytest.mark.parametrize("name", ["clapp", "none", "bp-clapp++"])
def test_a_rule_that_reads_no_error_has_no_readout(name: str) -> None:
    assert Ensemble(Settings(load_rule(name), (6, 6), batch=4), [task(0, 40)], [0], [1e-3]).readout() is None


def test_the_settings_say_the_kind_of_probe_and_the_caller_the_levels() -> None:
    def network(kind: str) -> Ensemble:
        settings = Settings(load_rule("none"), (16, 10), batch=16, probe=kind)  # type: ignore[arg-type]
        return Ensemble(settings, [task(0, 70)], [0], [1e-3])

    found = {kind: network(kind).probe() for kind in ("logistic", "ridge")}
    own = network("ridge")
    examples = own.tasks[0].train, own.tasks[0].test
    train, test = (own.features(0, e, f"probe-{n}") for e, n in zip(examples, ("train", "test"), strict=True))
    for kind, layers in found.items():
        assert layers == [
            probe(a, b, examples[0].latents, examples[1].latents, kind)  # type: ignore[arg-type]
            for a, b in zip(train, test, strict=True)
        ]
        alone = network(kind).probe(levels={"class"})
        assert [layer.keys() for layer in alone] == [{"class"}] * 2
        assert [layer["class"] for layer in alone] == [layer["class"] for layer in layers]
    assert found["logistic"] != found["ridge"]
