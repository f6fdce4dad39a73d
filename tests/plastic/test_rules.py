"""Rules by name, by file and by entry point; a rule of one's own runs on every backend."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import plastic.loading
import plastic.rules
from plastic.backends import backends, capabilities
from plastic.config.settings import Architecture, Config, Stimuli, Training
from plastic.errors import PlasticError
from plastic.models.runs.simulate import simulate
from plastic.rules import BUILT_IN, READABLE, Rule, all_rules, load_rule, rule_class

HEBB = '''
from dataclasses import dataclass
from typing import ClassVar

import plastic


@dataclass(frozen=True)
class Hebb(plastic.Rule):
    """Growth with the neuron's own response."""

    name: ClassVar[str] = "hebb"
    citation: ClassVar[str] = "@book{hebb1949organization}"

    gain: float = 1.0
    halves: int = 2
    signed: bool = False

    def third_factor(self, signals, weights):
        return plastic.ThirdFactor(plastic.Modulator(self.gain, signals.activity))


@dataclass(frozen=True)
class Frozen(plastic.Rule):
    """The same, with a gain of nothing."""

    name: ClassVar[str] = "frozen"

    def third_factor(self, signals, weights):
        return plastic.ThirdFactor(plastic.Modulator(0.0, signals.activity))


class Loose(plastic.Rule):
    name = "loose"


@dataclass
class Helper:
    name: str = "helper"


@dataclass(frozen=True)
class Nameless(plastic.Rule):
    pass


@dataclass(frozen=True)
class Psychic(plastic.Rule):
    name: ClassVar[str] = "psychic"
    reads: ClassVar[frozenset[str]] = frozenset({"target", "future"})


SIDES = 3
'''


@pytest.fixture
def rule_file(tmp_path: Path) -> Path:
    path = tmp_path / "my_rules.py"
    path.write_text(HEBB)
    return path


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here looks at it, and it takes most of a tiny run's time."""
    monkeypatch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)


def streams(backend: str) -> int:
    """Eight, or one where the backend has no more; skips where it is not installed."""
    if backend == "brian2":
        pytest.importorskip("brian2")
    return capabilities(backend).streams or 8


def tiny(rule: str, backend: str, **more: Any) -> Config:
    return Config(
        rule=rule,
        backend=backend,
        stimuli=Stimuli(levels=2, train_size=64, test_size=64),
        network=Architecture(width=8),
        training=Training(steps=10, batch=streams(backend), probes=0, probe="ridge"),
        **more,
    )


@pytest.mark.parametrize("rule", BUILT_IN)
def test_built_in_rules_are_found_by_name(rule: type[Rule]) -> None:
    assert rule_class(rule.name) is rule
    assert load_rule(rule.name) == rule()
    assert all_rules()[rule.name] is rule


@pytest.mark.parametrize(
    ("rule", "options", "expected"),
    [
        ("clapp", {"margin": "0.25", "symmetric": "False", "sides": "both"},
         {"margin": 0.25, "symmetric": False, "sides": "both"}),
        ("clapp", {"symmetric": "true", "margin": "2"}, {"symmetric": True, "margin": 2.0}),
        ("bp", {"mask": "batch", "upper_mask": "none"}, {"mask": "batch", "upper_mask": "none"}),
        ("dfa", {"feedback_scale": "1e-2", "summary": "mean"}, {"feedback_scale": 0.01, "summary": "mean"}),
    ],
)  # fmt: skip
def test_options_are_read_by_the_type_of_the_field(
    rule: str, options: dict[str, str], expected: dict[str, Any]
) -> None:
    loaded = load_rule(rule, options)
    for name, value in expected.items():
        assert getattr(loaded, name) == value
        assert type(getattr(loaded, name)) is type(value)
    untouched = {f.name for f in dataclasses.fields(loaded)} - set(expected)
    assert all(getattr(loaded, name) == getattr(rule_class(rule)(), name) for name in untouched)


@pytest.mark.parametrize(
    ("rule", "options", "named"),
    [
        ("clapp", {"marign": "1"}, r"no option 'marign'; it has: .*margin"),
        ("clapp", {"name": "x"}, "no option 'name'"),
        ("clapp", {"margin": "wide"}, "'margin' .* 'wide'; it takes a number"),
        ("clapp", {"margin": "nan"}, "'margin' .* 'nan'; it takes a number"),
        ("lpl-spiking", {"tau_mean": "inf"}, "'tau_mean' .* 'inf'; it takes a number"),
        ("clapp", {"symmetric": "yes"}, "'symmetric' .* 'yes'; it takes true or false"),
        ("clapp", {"sides": "left"}, "'left'; choose one of: current, both"),
        ("dfa", {"sides": "both"}, "'both'; choose one of: current"),
        ("bp", {"mask": "half"}, "'half'; choose one of: sample, batch, none"),
        ("bp", {"upper_mask": "half"}, "'half'; choose one of: sample, batch, none"),
        ("bp", {"summary": "max"}, "'max'; choose one of: mean, flat"),
    ],
)
def test_options_that_cannot_be_are_refused(rule: str, options: dict[str, str], named: str) -> None:
    with pytest.raises(PlasticError, match=named):
        load_rule(rule, options)


def test_a_rule_of_a_file_takes_its_own_options(rule_file: Path) -> None:
    rule = load_rule(f"{rule_file}:Hebb", {"gain": "0.5", "halves": "3", "signed": "true", "mask": "batch"})
    assert isinstance(rule, Rule)
    assert (rule.name, rule.mask) == ("hebb", "batch")
    assert vars(rule) == {
        "sides": "current",
        "mask": "batch",
        "summary": "mean",
        "gain": 0.5,
        "halves": 3,
        "signed": True,
    }
    with pytest.raises(PlasticError, match=r"'halves' .* '1.5'; it takes a number like 2"):
        load_rule(f"{rule_file}:Hebb", {"halves": "1.5"})


@pytest.mark.parametrize("backend", backends())
@pytest.mark.usefixtures("numpy_code")
def test_a_rule_of_a_file_runs_on_every_backend(backend: str, rule_file: Path, tmp_path: Path) -> None:
    learned = {}
    for name in ("Hebb", "Frozen"):
        result = simulate(tiny(f"{rule_file}:{name}", backend), tmp_path / f"{backend}-{name}")
        assert result["rule"] == name.lower()
        learned[name] = load_file(tmp_path / f"{backend}-{name}" / "weights.safetensors")
    assert set(learned["Hebb"]) == {"layer1.weight", "layer2.weight"}
    for name, weight in learned["Hebb"].items():
        change = weight - learned["Frozen"][name]  # of the same initial weights
        assert change.any()
        # pre, post and third factor are not negative here, so growth is all there is
        if capabilities(backend).integers:  # two networks in integers, each with a step of its own
            assert change.mean() > 0
        elif capabilities(backend).spikes or name == "layer2.weight":
            assert change.min() > -1e-6


@pytest.mark.parametrize(
    "backend", [name for name, backend in backends().items() if not backend.can.integers]
)  # integers are not linear
@pytest.mark.usefixtures("numpy_code")
def test_the_gain_of_a_rule_scales_its_update(backend: str, rule_file: Path, tmp_path: Path) -> None:
    """One stimulus of SGD: Δw is linear in the third factor, by the equation of all rules."""
    weights = []
    for gain in (0, 1, 2):
        config = tiny(f"{rule_file}:Hebb", backend, rule_options=(f"gain={gain}",), dtype="float64")
        training = Training(steps=1, batch=streams(backend), probes=0, optimizer="sgd", learning_rate=0.01)
        out = tmp_path / str(gain)
        simulate(dataclasses.replace(config, training=training), out)
        weights.append(load_file(out / "weights.safetensors")["layer2.weight"])
    assert np.abs(weights[1] - weights[0]).max() > 1e-6
    assert np.allclose(weights[2] - weights[0], 2 * (weights[1] - weights[0]), rtol=1e-9, atol=1e-15)


class Point:
    """An entry point, as importlib.metadata gives it."""

    def __init__(self, name: str, load: Callable[[], Any]) -> None:
        self.name, self.value, self.load = name, "package.module:Rule", load


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def install(*points: Point) -> None:
        def entry_points(*, group: str) -> tuple[Point, ...]:
            return points if group == "plastic.rules" else ()

        monkeypatch.setattr(plastic.loading, "entry_points", entry_points)

    return install


def test_installed_packages_offer_rules(offer: Callable[..., None], rule_file: Path) -> None:
    hebb = rule_class(f"{rule_file}:Hebb")
    offer(Point("hebb", lambda: hebb))
    assert list(all_rules()) == [*(rule.name for rule in BUILT_IN), "hebb"]
    assert rule_class("hebb") is hebb
    assert load_rule("hebb", {"gain": "3"}).gain == 3.0  # type: ignore[attr-defined]


def test_a_package_cannot_replace_a_built_in_rule(offer: Callable[..., None], rule_file: Path) -> None:
    offer(Point("clapp", lambda: rule_class(f"{rule_file}:Hebb")))
    assert rule_class("clapp") is plastic.rules.CLAPP


def test_a_package_that_offers_no_rule_or_breaks_is_named(offer: Callable[..., None]) -> None:
    offer(Point("odd", lambda: int))
    with pytest.raises(PlasticError, match=r"entry point 'odd' .* is not a subclass"):
        all_rules()

    def broken() -> Any:
        raise ModuleNotFoundError("No module named 'elsewhere'")

    offer(Point("broken", broken))
    with pytest.raises(PlasticError, match=r"entry point 'broken' .*elsewhere"):
        all_rules()


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("Hub", r"has no class 'Hub'; it has: Hebb, Frozen, Loose"),
        ("Loose", "must be a frozen dataclass"),
        ("Helper", "not a subclass of plastic.Rule"),
        ("SIDES", "not a subclass of plastic.Rule"),
        ("Nameless", "has no name"),
        (
            "Psychic",
            "reads future; signals are: above, above_before, error, .*top_context",
        ),
    ],
)
def test_a_class_that_is_no_rule_is_refused(name: str, named: str, rule_file: Path) -> None:
    with pytest.raises(PlasticError, match=named):
        rule_class(f"{rule_file}:{name}")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("raise RuntimeError('out of order')", "does not run: RuntimeError: out of order"),
        ("import nowhere_to_be_found", "does not run: ModuleNotFoundError"),
        ("def broken(:", "does not run: SyntaxError"),
        ("import sys; sys.exit(0)", "does not run: SystemExit"),
        ("", "it has: no rule at all"),
        ("from plastic import Rule", "it has: no rule at all"),
    ],
)
def test_a_file_that_holds_no_rule_is_refused(content: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text(content)
    with pytest.raises(PlasticError, match=named) as caught:
        rule_class(f"{path}:MyRule")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("spec", ["clap", "CLAPP", "", "my_rule.py", "my_rule:MyRule"])
def test_an_unknown_name_lists_the_rules(spec: str) -> None:
    names = re.escape(", ".join(rule.name for rule in BUILT_IN))
    with pytest.raises(PlasticError, match=rf"unknown rule '.*'; choose one of: {names}; .*FILE\.py:CLASS"):
        rule_class(spec)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for missing in (tmp_path / "nothing.py", tmp_path):
        with pytest.raises(PlasticError, match=r"no rule file|unknown rule"):
            rule_class(f"{missing}:MyRule")
    with pytest.raises(PlasticError, match=r"no rule file '.*nothing\.py'"):
        rule_class(f"{tmp_path / 'nothing.py'}:MyRule")


@pytest.mark.parametrize("rule", BUILT_IN)
def test_a_declaration_is_complete(rule: type[Rule]) -> None:
    assert rule.about.title
    assert rule.about.equation.startswith("ΔW_ij = ")
    assert rule.about.third
    assert rule.about.citation.startswith("@")
    assert rule.about.citation.count("{") == rule.about.citation.count("}")
    assert rule.about.defaults_source
    assert rule.modulator in ("none", "scalar", "broadcast")
    assert set(rule.reads.signals) <= READABLE
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule().mask = "none"  # type: ignore[misc]
