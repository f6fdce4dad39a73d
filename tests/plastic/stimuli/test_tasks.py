"""Tasks by name: those of `plastic simulate`, byte for byte, which print and compare as what made them."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import plastic.stimuli
from plastic.config.defaults import resolve
from plastic.config.settings import Architecture, Config, Spiking, Stimuli
from plastic.errors import PlasticError
from plastic.models.runs.build import make_task
from plastic.stimuli import Task, digits, events, images, rhm
from plastic.stimuli.digit_images import digits_task
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.strings import rhm_task

DENSE = Architecture(topology="dense")


def assert_same_data(one: Task, other: Task) -> None:
    """Every field but those that say how it was made; views of the training set drawn alike."""
    for part in fields(Task):
        a, b = getattr(one, part.name), getattr(other, part.name)
        if part.name in ("train", "test"):
            np.testing.assert_array_equal(a.inputs, b.inputs)
            np.testing.assert_array_equal(a.labels, b.labels)
            assert a.latents.keys() == b.latents.keys()
            assert all((a.latents[level] == b.latents[level]).all() for level in a.latents)
        elif part.name == "view" and a is not None:
            index, fixation = np.arange(6).reshape(2, 3), np.ones((2, 3), bool)
            np.testing.assert_array_equal(
                *(view(index, fixation, np.random.default_rng(0)) for view in (a, b))  # type: ignore[misc]
            )
        elif part.name not in ("made", "settings"):
            np.testing.assert_array_equal(a, b)


def test_rhm_is_drawn_as_said() -> None:
    task = rhm(2, symbols=6, synonyms=3, classes=4, branching=2, pairing="latent:1", train=60, test=20, seed=5)
    grammar = RandomHierarchyModel(6, 4, 3, 2, 2, 5)
    assert_same_data(task, rhm_task(grammar, 60, "latent:1", 5, 20))
    assert task.train.inputs.shape == (60, 4)
    assert task.train.latents["level 1"].shape == (60, 2)


def test_digits_are_drawn_as_said() -> None:
    assert_same_data(digits(pairing="within", train=50, seed=3), digits_task(50, "within", 3, 360))


@pytest.mark.parametrize(
    ("make", "config"),
    [
        (lambda: rhm(), Config("clapp", "rate")),
        (lambda: rhm(2, seed=4), Config("clapp", "snntorch", seed=4)),
        (lambda: rhm(1, synonyms=2, train=12, input_format="onehot"), Config("clapp", "rate", stimuli=Stimuli(
            levels=1, synonyms=2, train_size=12, input_format="onehot"))),
        (lambda: digits(), Config("clapp", "rate", stimuli=Stimuli("digits"))),
        (lambda: images("mnist5000", pairing="within", train=20), Config(
            "clapp", "rate", network=DENSE, stimuli=Stimuli("mnist5000", pairing="within", train_size=20))),
    ],
)  # fmt: skip
def test_what_is_left_out_has_the_default_of_simulate(make: Callable[[], Task], config: Config) -> None:
    task = make()
    assert resolve(config).stimuli.train_size == len(task.train)
    assert resolve(config).stimuli.test_size == len(task.test)
    made = make_task(resolve(config))
    assert made == task
    again = replace(config, stimuli=Stimuli(**task.settings), seed=9)
    assert make_task(resolve(again)) == task
    assert hash(made) == hash(task)
    assert_same_data(made, task)


def test_the_defaults_in_the_signatures_are_those_of_the_settings() -> None:
    settings = {one.name: one.default for one in fields(Stimuli)}
    for function in (rhm, digits, images, events):
        for name, parameter in inspect.signature(function).parameters.items():
            if name in ("levels", "train", "test", "seed", "name", "path", "time_steps"):
                continue
            assert parameter.default == settings[name], name
    assert inspect.signature(events).parameters["time_steps"].default == Spiking().time_steps
    assert inspect.signature(rhm).parameters["seed"].default == Config("clapp").seed


def test_images_and_recordings_come_from_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is passed on, and what is printed; the files themselves have tests of their own."""
    passed, small = [], digits(train=10, test=10)
    for name in ("image_task", "event_task"):
        monkeypatch.setattr(f"plastic.stimuli.tasks.{name}", lambda *given: passed.append(given) or replace(small))
    shown = [
        images("mnist", tmp_path, seed=2),
        images("stl10", str(tmp_path), pairing="within", views="strong", smallest_crop=0.2),
        events("shd", tmp_path, time_steps=50), events("nmnist", tmp_path, train=30),
    ]  # fmt: skip
    assert passed == [
        ("mnist", tmp_path, 10_000, 2000, "class", 2, "mild", None),
        ("stl10", tmp_path, 5000, 2000, "within", 0, "strong", 0.2),
        ("shd", tmp_path, 8000, 2000, 50, "class", 0), ("nmnist", tmp_path, 30, 2000, 20, "class", 0),
    ]  # fmt: skip
    assert shown[0].made == f"images(name='mnist', path={str(tmp_path)!r}, seed=2, train=10, test=10)"
    assert shown[2].made == f"events(name='shd', path={str(tmp_path)!r}, time_steps=50, train=10, test=10)"
    assert len(set(shown)) == 4


def test_a_task_prints_as_one_line_that_makes_it_again() -> None:
    task = rhm(levels=2, train=384, seed=1)
    assert str(task) == "<Task rhm(levels=2, seed=1, train=384, test=128): 4 × 8 inputs, 8 classes>"
    assert eval(task.made, vars(plastic.stimuli)) == task
    assert str(replace(task)) == "<Task rhm of 384 and 128 examples: 4 × 8 inputs, 8 classes>"
    assert str(digits()) == "<Task digits(train=1437, test=360): 64 × 1 inputs, 10 classes>"


def test_tasks_are_equal_that_were_made_alike() -> None:
    task = rhm(levels=2, train=384, seed=1)
    assert task == rhm(2, symbols=8, train=384, test=128, seed=1) == pickle.loads(pickle.dumps(task))
    for other in (rhm(2, train=384), rhm(2, train=380, seed=1), rhm(2, train=384, seed=1, input_format="onehot")):
        assert task != other
    assert replace(task) != task  # what was changed by hand is itself alone
    assert replace(task) != replace(task)
    assert task != "rhm"


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: rhm(synonyms=9), "no such RHM"),
        (lambda: rhm(2, train=512), "lower --train-size"),
        (lambda: rhm(pairing="latent:4"), "latent:1 … latent:3"),
        (lambda: rhm(input_format="white"), "choose whitened or onehot"),
        (lambda: digits(pairing="latent:1"), "choose class or within"),
        (lambda: digits(train=1438), "choose --train-size from 10 to 1437"),
        (lambda: images("imagenet"), "no images 'imagenet'; choose one of: mnist5000, mnist, cifar10, stl10, tiny"),
        (lambda: images("mnist"), "a folder with"),
        (lambda: events("mnist"), "choose one of: nmnist, shd, dvsgesture"),
        (lambda: events("shd", "nowhere"), "there is no folder 'nowhere'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(make: Callable[[], Task], named: str) -> None:
    with pytest.raises(PlasticError) as error:
        make()
    assert named in str(error.value)
