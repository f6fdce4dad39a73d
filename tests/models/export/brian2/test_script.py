"""Exported Brian2 scripts, run where plastic cannot be imported, beside the runs that they repeat."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from plastic import open_run
from plastic.cli import main
from plastic.config.defaults import resolve
from plastic.config.settings import Architecture, Config, Stimuli, Training
from plastic.errors import PlasticError
from plastic.models.export.brian2.script import _refuse, arrays, export_brian2, script
from plastic.models.learning.eligibility import Response, Summed
from plastic.models.network.layer import Layer
from plastic.models.runs.build import make_settings, make_task
from plastic.models.runs.finished import FinishedRun, open_finished
from plastic.models.training.ensemble import Ensemble, Prepared
from plastic.models.training.refusals import check_settings
from plastic.rules import BUILT_IN

pytest.importorskip("brian2")
pytestmark = pytest.mark.usefixtures("numpy_code")
ROOT = Path(__file__).parents[4]
STIMULI = 40
SIZE = [
    "--steps", str(STIMULI), "--width", "10", "--train-size", "64", "--test-size", "60",
    "--learning-rate", "0.05", "--record", "spike[stream=all]", "--probes", "0", "--probe", "ridge",
]  # fmt: skip
BRIAN2 = ["--backend", "brian2"]
ONE = ["--backend", "snntorch", "--dtype", "float64", "--batch", "1"]
FOUR = [*ONE, "--batch", "4"]
RUNS = {
    "clapp": ["--rule", "clapp", *BRIAN2],
    "clapp, both sides, emitted, every third step": [
        "--rule", "clapp", "--rule-options", "sides=both", "symmetric=false", *ONE, "--weights", "local",
        "--trace-timing", "emitted", "--learning-period", "3",
    ],
    "clapp++, two contexts, four streams": ["--rule", "clapp++", "--rule-options", "feedback=both", *FOUR],
    "infonce, pooled, four streams": ["--rule", "infonce", "--rule-options", "summary=mean", "negatives=2", *FOUR],
    "eprop, learned, adam": ["--rule", "eprop", "--rule-options", "feedback=learned", "--optimizer", "adam", *BRIAN2],
    "dfa, bounded, dense": ["--rule", "dfa", "--topology", "dense", "--weight-bound", "0.5", *ONE],
    "usf, no mask, triangular": ["--rule", "usf", "--mask", "none", "--surrogate", "triangular", *ONE],
    "product": ["--rule", "dfa-product", "--rule-options", "upper_mask=sample", *ONE],
    "lpl, slow traces": ["--rule", "lpl", "--statistics-time-constant", "8", "--learning-rate", "0.01", *ONE],
    "espp": ["--rule", "espp", *ONE],
    "dfa, adaptive thresholds": ["--rule", "dfa", "--neuron", "alif", "--neuron-options", "refractory=1", *ONE],
    "own file": ["--rule", str(ROOT / "docs/examples/my_rule.py:Overlap"), *ONE],
}  # fmt: skip


# Runs scripts one after the other and says how each ended: one process, so that Brian2 is imported once for all.
ALL = """
import json, runpy, sys
ended = {}
for command in json.loads(sys.argv.pop()):
    sys.argv = command
    try:
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as done:
        ended[" ".join(command)] = done.code
print(json.dumps(ended))
"""


def test_scripts_give_the_spikes_and_weights_of_their_runs_and_say_when_they_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)
    there = tmp_path / "there"
    there.mkdir()
    scripts = {name: f"again{number}" for number, name in enumerate(RUNS)}
    for name, again in scripts.items():
        run = tmp_path / again
        assert main(["simulate", *SIZE, *RUNS[name], "--out", str(run)]) == 0
        assert main(["export", str(run), "--to", "brian2", str(there / f"{again}.py")]) == 0
    assert {p.name for p in there.iterdir()} == {
        f"{again}.{end}" for again in scripts.values() for end in ("py", "npz")
    }
    changed = changed_script(there / f"{scripts['clapp']}.py")

    wanted = {f"{again}.py --save {again}.found.npz": 0 for again in scripts.values()}
    wanted |= {changed: 1, f"{scripts['clapp']}.py {STIMULI + 1}": 2}
    done = run_alone(there, "-c", ALL, json.dumps([command.split() for command in wanted]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == wanted, done.stdout + done.stderr
    for name, again in scripts.items():
        compare(name, tmp_path / again, np.load(there / f"{again}.found.npz"), np.load(there / f"{again}.npz"))


def changed_script(script: Path) -> str:
    """The name of a script beside it that does something else."""
    text = script.read_text()
    assert text.count("opened = short > 0") == 1
    script.with_name("changed.py").write_text(text.replace("opened = short > 0", "opened = short > 1"))
    return "changed.py"


def compare(name: str, run: Path, found: Any, data: Any) -> None:
    """The spikes and weights that a script found with those of its run."""
    traces, finished = open_run(run), open_finished(run)
    for number in (1, 2):
        spikes = traces.signal("spike", number).values
        ours = spikes.reshape(len(spikes), -1)
        theirs = np.zeros_like(ours)
        theirs[found[f"layer{number}.step"], found[f"layer{number}.neuron"]] = 1
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
        assert len(ours) == STIMULI * finished.config.spiking.time_steps
        assert 0.01 < ours.mean() < 0.8, name
    for key, final in finished.final.items():
        moved = np.abs(final - data[f"initial/{key}"]).max()
        np.testing.assert_allclose(found[f"weights/{key}"], final, rtol=0, atol=1e-9 * max(moved, 1e-3), err_msg=name)
        assert moved > 1e-3 or key.endswith(".B"), (name, key)  # fixed feedback does not learn


def run_alone(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Python in a process in which plastic cannot be imported; Brian2 without a compiler."""
    hidden = folder / "hidden"
    hidden.mkdir(exist_ok=True)
    (hidden / "plastic.py").write_text("raise ImportError('plastic is not here')\n")
    (folder / "brian_preferences").write_text("codegen.target = 'numpy'\n")
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env={"PYTHONPATH": str(hidden), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


def test_plastic_cannot_be_imported_there(tmp_path: Path) -> None:
    assert "plastic is not here" in run_alone(tmp_path, "-c", "import plastic").stderr


def untrained(rule: str, streams: int, *options: str, **network: Any) -> FinishedRun:
    """A run as it begins; its weights stand for those that it ended with."""
    training = Training(steps=4, batch=streams, learning_rate=0.1)
    small = Architecture(width=6, **network)
    config = resolve(
        Config(
            rule,
            "snntorch",
            None,
            options,
            Stimuli(train_size=64, test_size=60),
            small,
            training=training,
            dtype="float64",
        )
    )
    settings, task = make_settings(config), make_task(config)
    check_settings(settings, 1)
    run = FinishedRun(Path("here"), config, Prepared(settings, [task], [0]), {})
    return dataclasses.replace(run, final=run.initial)


def network(run: FinishedRun) -> Ensemble:
    """The network of a run as it begins, on its backend."""
    prepared, learning_rate = run.ensemble, run.config.training.learning_rate
    assert learning_rate is not None
    return Ensemble(prepared.settings, prepared.presentation.tasks, prepared.presentation.seeds, [learning_rate])


def written(run: FinishedRun, folder: Path) -> Any:
    """The script of a run as a module."""
    _refuse(run)
    (folder / "it.py").write_text(script(run, "it.py", "it.npz"))
    np.savez(folder / "it.npz", **arrays(run))
    spec = importlib.util.spec_from_file_location("written_script", folder / "it.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES = [(rule.name, streams, ()) for rule in BUILT_IN for streams in (1, 3)] + [
    ("clapp", 1, ("sides=both", "symmetric=false")),
    ("clapp", 2, ("summary=mean",)),
    ("clapp++", 1, ("feedback=both", "negatives=saccade", "f=softplus")),
    ("bp", 3, ("mask=none", "upper_mask=batch")),
    ("eprop", 1, ("feedback=symmetric",)),
    ("eprop", 2, ("feedback=learned",)),
    ("dfa-product", 3, ("upper_mask=batch",)),
    ("usf", 1, ("magnitude=random",)),
    ("simclr", 3, ("sides=current",)),
    ("infonce", 1, ("negatives_from=memory", "negatives=3")),
]


def laid_out() -> list[Any]:
    """The cases with shared and with local weights in turn: every rule has both, with one stream and with three."""
    layouts = [("shared", "local")[(number + number // 2) % 2] for number in range(len(CASES))]
    return [
        pytest.param(*case, shared, id="-".join([case[0], str(case[1]), *case[2], shared]))
        for case, shared in zip(CASES, layouts, strict=True)
    ]


@pytest.mark.parametrize(("rule", "streams", "options", "shared"), laid_out())
def test_every_rule_learns_in_the_script_as_in_the_learner(
    rule: str, streams: int, options: tuple[str, ...], shared: str, tmp_path: Path
) -> None:
    """Four stimuli with responses from a hat, so that contexts and eligibilities of the stimulus before enter."""
    if (refused := why_not(rule, streams, *options)) is not None:
        pytest.skip(refused)
    run = untrained(rule, streams, *options, weights=shared)
    module, ensemble = written(run, tmp_path), network(run)
    assert unused((tmp_path / "it.py").read_text()) == []
    random = np.random.default_rng(5)
    module.data["fixation"][:] = np.array([-1, 1, -1, 1])[:, None]
    layers = [fake_layer(module, shape) for shape in module.LAYERS]
    for number in range(4):
        responses = [
            random_response(layer, theirs, random)
            for layer, theirs in zip(ensemble.network.layers, layers, strict=True)
        ]
        fixation = torch.as_tensor(module.data["fixation"][number], dtype=torch.float64)[None, :, None]
        target = torch.eye(ensemble.network.classes, dtype=torch.float64)[module.data["labels"][number]][None]
        ensemble.learner.learn(responses, fixation, target)
        module.learn(layers, number)
    moved = 0
    for name, value in ensemble.parameters.items():
        np.testing.assert_allclose(module.weights[name], value[0].numpy(), rtol=1e-9, atol=1e-12, err_msg=name)
        moved += not np.allclose(value[0].numpy(), run.final[name], atol=1e-9)
    assert moved or rule == "none"


def unused(text: str) -> list[str]:
    """Names that a script imports, defines or sets at its top and speaks of nowhere else."""
    names = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names += [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [part.id for part in ast.walk(node.targets[0]) if isinstance(part, ast.Name)]
    assert len(names) > 30
    code = "\n".join(line.partition("  # ")[0] for line in text.partition('"""\n\nimport')[2].splitlines())
    return [name for name in names if len(re.findall(rf"\b{name}\b", code)) < 2]


def why_not(rule: str, streams: int, *options: str) -> str | None:
    try:
        _refuse(untrained(rule, streams, *options))
    except PlasticError as error:
        return str(error)
    return None


def fake_layer(module: Any, shape: tuple[int, int, int, int]) -> Any:
    """A layer of the script without Brian2, to be filled by `random_response`."""
    layer = object.__new__(module.Layer)
    layer.shape, layer.steps = shape, module.STEPS
    layer.neurons, layer.synapses = SimpleNamespace(), SimpleNamespace()
    return layer


def random_response(layer: Layer, theirs: Any, random: np.random.Generator) -> Response:
    """The same response for the learner and, as what Brian2 would hold, for the script."""
    steps, shape = 20, theirs.shape
    count = random.integers(0, 9, shape[:3]).astype(float)
    post, summed = random.random(shape[:3]), random.random(shape)
    theirs.neurons.count, theirs.neurons.post_sum = count.ravel(), post.ravel() * steps
    theirs.synapses.eligibility = summed.ravel()
    inside = (torch.as_tensor(x)[None] for x in (count / steps, post, summed))
    activity, factor, eligibility = inside
    arrivals = random.integers(0, 30, (shape[0], 1, 1)) * np.ones(shape[:3])
    theirs.neurons.arrivals = arrivals.ravel()
    arrived = torch.as_tensor(arrivals[:, 0, 0] / (steps * shape[3]))[None]
    return Response(activity, factor, Summed(layer, summed=eligibility), input_activity=arrived)


def test_what_a_script_cannot_repeat_is_refused(tmp_path: Path) -> None:
    for rule, streams, named in (
        ("ff", 1, "needs inputs that spikes are not"),
        ("infonce", 1, "it needs 2"),
    ):
        assert named in (why_not(rule, streams) or "")
    assert "mask=batch" in (why_not("dfa", 3, "mask=batch") or "")
    assert "train with sides=current" in (why_not("bp-infonce", 3, "sides=both") or "")
    assert why_not("bp-infonce", 3) is None
    assert why_not("dfa", 1, "mask=batch") is None
    with pytest.raises(PlasticError, match=r"end it in \.py"):
        export_brian2(tmp_path, tmp_path / "x.txt")
    assert list(tmp_path.iterdir()) == []


def test_most_rules_become_scripts() -> None:
    able = [rule.name for rule in BUILT_IN if why_not(rule.name, 1) is None or why_not(rule.name, 3) is None]
    assert len(able) >= 20
