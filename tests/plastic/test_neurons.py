"""Neurons by name, by file and from Python, as a user chooses them; what cannot be is one sentence."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import plastic
from plastic.backends import backends, capabilities
from plastic.cli import main
from plastic.config.file import from_toml, read_config, to_toml
from plastic.config.settings import Config, Spiking
from plastic.errors import PlasticError
from plastic.neurons import ALIF, BUILT_IN, CUBA, LIF, Neuron, all_neurons, load_neuron, neuron_class
from plastic.neurons.where import backends_of
from plastic.runs.folder import fingerprint

SMALL = [
    "--symbols", "4", "--classes", "4", "--synonyms", "2", "--width", "8", "--steps", "6", "--batch", "1", "--probes",
    "0", "--dtype", "float64", "--device", "cpu",
]  # fmt: skip
OWN = '''
from dataclasses import dataclass

from plastic import Neuron


@dataclass(frozen=True)
class Perfect(Neuron):
    """It never forgets."""

    name = "perfect"
    gain: float = 0.5

    def integrate(self, state, drive, constants):
        return {"membrane": state["membrane"] + self.gain * drive}


@dataclass(frozen=True)
class Bare(Neuron):
    name = "bare"
    size: float

    def integrate(self, state, drive, constants):
        return state


@dataclass(frozen=True)
class Broken(Neuron):
    name = "broken"

    def integrate(self, state, drive, constants):
        return {"membrane": state["membran"]}
'''


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(OWN)
    return str(tmp_path / "mine.py")


def test_neurons_are_found_by_name_with_options_as_text() -> None:
    assert [neuron_class(cls.name) for cls in BUILT_IN] == list(BUILT_IN) == list(all_neurons().values())
    given = {"reset": "subtract", "refractory": "2", "floor": "-3"}
    assert load_neuron("lif", given) == LIF(reset="subtract", refractory=2, floor=-3.0)
    assert load_neuron("alif", {"adaptation": "0.5"}) == ALIF(adaptation=0.5)


@pytest.mark.parametrize("neuron", BUILT_IN)
def test_a_declaration_is_complete(neuron: type[Neuron]) -> None:
    about, options = neuron.about, {field.name for field in dataclasses.fields(neuron)}
    assert about.title
    assert about.equation
    assert set(about.units) == options
    assert not options or (about.defaults_source and about.citation.startswith("@"))
    assert about.citation.count("{") == about.citation.count("}")


def test_which_backend_has_which_is_computed() -> None:
    spiking = [name for name in backends() if capabilities(name).spikes]
    assert backends_of(LIF()) == spiking
    assert backends_of(LIF(refractory=1)) == backends_of(CUBA()) == ["reference", "snntorch", "brian2"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--neuron", "liff"], "unknown neuron 'liff'; choose one of: lif, alif, cuba, izhikevich"),
        (["--neuron", "nowhere.py:Mine"], "no neuron file 'nowhere.py'"),
        (["--neuron", "alif", "--neuron-options", "kappa=1"], "neuron 'alif' has no option 'kappa'; it has: adapt"),
        (["--neuron", "alif", "--neuron-options", "adaptation=much"], "'much'; it takes a number like 0.174"),
        (["--neuron", "alif", "--neuron-options", "adaptation"], "neuron option 'adaptation' has no value"),
        (["--neuron-options", "floor=low"], "option 'floor' of neuron 'lif' is 'low'; it takes a number"),
        (["--neuron-options", "reset=half"], "no reset 'half'"),
        (["--neuron", "integrator"], "neuron 'integrator' never fires"),
        (["--neuron", "alif", "--backend", "loihi"], "the backend loihi has the neuron lif with its default"),
        (["--neuron-options", "refractory=1", "--backend", "loihi"], "refractory=1"),
        (["--neuron", "alif", "--backend", "rate"], "--neuron is of spiking networks"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["simulate", *arguments, "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_file_of_ones_own_is_saved_in_the_config_and_repeated(own: str, tmp_path: Path) -> None:
    chosen = ["--neuron", f"{own}:Perfect", "--neuron-options", "gain=0.25"]
    assert main(["simulate", *SMALL, *chosen, "--out", str(tmp_path / "one")]) == 0
    config = read_config(tmp_path / "one" / "config.toml")
    assert (config.spiking.neuron, config.spiking.neuron_options) == (f"{own}:Perfect", ("gain=0.25",))
    assert from_toml(to_toml(config)) == config
    assert main(["simulate", "--config", str(tmp_path / "one" / "config.toml"), "--out", str(tmp_path / "two")]) == 0
    assert main(["simulate", *SMALL, "--out", str(tmp_path / "lif")]) == 0
    one, two, lif = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two", "lif"))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert any(not np.array_equal(one[name], lif[name]) for name in one)


def test_a_run_does_not_go_on_with_another_neuron_in_its_file(own: str) -> None:
    config = Config(spiking=Spiking(neuron=f"{own}:Perfect"))
    before = fingerprint(config)
    assert fingerprint(config) == before
    Path(own).write_text(OWN.replace("0.5", "0.75"))
    assert fingerprint(config) != before


def test_a_config_that_knows_no_neuron_has_the_default_one() -> None:
    old = to_toml(Config()).replace('neuron = "lif"\n', "").replace("neuron_options = []\n", "")
    assert "neuron" not in old
    assert from_toml(old) == Config()
    assert Config().spiking.chosen == LIF() == Spiking().chosen


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("Bare", "has options without a default: size"),
        ("Broken", "line 32 of the neuron file"),
        ("Missing", "has no class 'Missing'; it has: Perfect, Bare, Broken"),
    ],
)
def test_a_file_that_does_not_do_is_named(
    name: str, named: str, own: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["simulate", "--neuron", f"{own}:{name}", "--out", str(tmp_path / "run")]) == 2
    assert named in capsys.readouterr().err


def test_from_python_it_is_a_value(tmp_path: Path) -> None:
    task = plastic.stimuli.rhm(levels=2, train=24, test=8, symbols=4, synonyms=2, classes=4)
    net = plastic.tree(task, widths=(6, 6))
    given = {"batch": 1, "seed": 1, "record": "spike[layer=1]"}
    sim = plastic.Simulation(net, task, neuron=plastic.neurons.ALIF(adaptation=0.4), **given)
    assert sim.config.spiking.neuron_options == ("adaptation=0.4",)
    assert sim.ensemble.settings.step.neuron == ALIF(adaptation=0.4)
    sim.train(3, progress=False)
    sim.save(tmp_path / "run")
    assert plastic.load(tmp_path / "run").ensemble.settings.step.neuron == ALIF(adaptation=0.4)
    named = plastic.Simulation(net, task, neuron="alif", neuron_options=["adaptation=0.4"], **given)
    assert named.config == sim.config
    local = plastic.tree(task, widths=(6, 6), shared=False)
    with pytest.raises(PlasticError, match="the backend loihi has the neuron lif"):
        plastic.Simulation(local, task, neuron=CUBA(), backend="loihi")


def test_a_class_of_a_script_runs_and_is_not_saved(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Mine(Neuron):
        name = "mine"

        def integrate(self, state: dict, drive: object, constants: object) -> dict:
            return {"membrane": 0.5 * state["membrane"] + drive}

    task = plastic.stimuli.rhm(levels=2, train=24, test=8, symbols=4, synonyms=2, classes=4)
    sim = plastic.Simulation(plastic.tree(task, widths=(6, 6)), task, neuron=Mine(), batch=1)
    sim.train(2, progress=False)
    with pytest.raises(PlasticError, match=r'neuron \'mine\' is a class of this script.* give neuron="FILE\.py:CLASS"'):
        sim.save(tmp_path / "run")


def test_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["neurons", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in listed["neurons"]] == [cls.name for cls in BUILT_IN]
    assert listed["rate_functions"] == ["relu", "tanh", "softplus", "linear"]
    assert main(["neurons"]) == 0
    assert "izhikevich" in capsys.readouterr().out
    assert main(["neurons", "show", "alif"]) == 0
    assert "adaptation" in capsys.readouterr().out
    assert main(["neurons", "show"]) == 2
    assert "which neuron?" in capsys.readouterr().err
    assert main(["neurons", "shwo"]) == 2


@pytest.mark.usefixtures("numpy_code")
def test_check_holds_a_neuron(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = str(tmp_path / "check.png")
    given = ["check", "--neuron", f"{own}:Perfect", "--rule", "dfa", "--stimuli", "10", "--out", picture, "--json"]
    assert main(given) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["neuron"] == "perfect"
    assert {"snntorch", "brian2"} <= {one["backend"] for one in record["comparisons"]}
    assert all(one["agrees"] and one["spikes"] > 50 for one in record["comparisons"])
    assert main(["check", "--neuron", "integrator", "--out", picture]) == 2
    assert "never fires" in capsys.readouterr().err
