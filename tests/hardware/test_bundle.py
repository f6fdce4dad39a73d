"""Bundles: run by their own run.py without plastic, verified, and refused where they are not as they were written."""

from __future__ import annotations

import ast
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plastic.cli import main
from plastic.hardware.bundle import container
from plastic.hardware.bundle.run import digest, read_bundle
from plastic.hardware.program.spec import Program
from plastic.models.runs.finished import open_finished

STIMULI = 30
RUN = [
    "--rule", "clapp", "--backend", "snntorch", "--dtype", "float64", "--batch", "1", "--steps", str(STIMULI),
    "--width", "10", "--weights", "local", "--trace-timing", "emitted", "--time-steps", "12", "--probes", "0",
    "--train-size", "64", "--test-size", "60", "--learning-rate", "0.1", "--probe", "ridge",
]  # fmt: skip
SPIKELESS = ["--trace-timing", "arrived", "--time-steps", "20"]  # as they are where there are no spikes


def simulated(folder: Path, *options: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)
        assert main(["simulate", *RUN, *options, "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle; the run is beside it."""
    folder = tmp_path_factory.mktemp("bundle")
    run = simulated(folder)
    assert main(["export", str(run), "--to", "lava", str(folder / "bundle"), "--stimuli", str(STIMULI)]) == 0
    return folder / "bundle"


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    shutil.copytree(exported, tmp_path / "bundle")
    return tmp_path / "bundle"


def run_alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The bundle's run.py in a process in which plastic cannot be imported."""
    hidden = folder.parent / "hidden"
    hidden.mkdir(exist_ok=True)
    (hidden / "plastic.py").write_text("raise ImportError('plastic is not here')\n")
    return subprocess.run(
        [sys.executable, str(folder / "run.py"), *arguments], cwd=folder.parent, capture_output=True, text=True,
        env={"PYTHONPATH": str(hidden), "PATH": "/usr/bin:/bin"}, check=False, timeout=500,
    )  # fmt: skip


def test_a_bundle_runs_without_plastic_and_does_what_the_emulator_did(copied: Path) -> None:
    done = run_alone(copied)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "agree: bit for bit" in done.stdout
    bundle = read_bundle(copied)  # having been run is no change
    spikes = int(bundle.spikes("golden").sum())
    assert f"spikes      0 of {spikes} differ" in done.stdout
    assert 0.02 < bundle.spikes("golden").mean() < 0.6
    last = [bundle.golden[f"layer{n}.weight"] for n in (1, 2)]
    assert digest(last) == bundle.manifest["digests"][-1]
    assert all((a != b).mean() > 0.3 for a, b in zip(last, bundle.first_weights(), strict=True))
    assert len(np.unique(bundle.golden["modulators"])) > 10


def test_verify_agrees_and_says_how_far_integers_go(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(exported), "--stimuli", "12", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["agrees"]
    assert found["code_is_ours"]
    assert found["emulator"]["stimuli"] == 12
    assert found["emulator"]["spikes_differing"] == found["tags_differing"] == 0
    assert found["emulator"]["spikes"] > 100
    assert found["emulator"]["weights_moved"] > 100
    assert 0.9 < found["float"]["agreeing"] < 1


def test_the_float_run_of_the_bundle_is_the_run(exported: Path) -> None:
    bundle, run = read_bundle(exported), open_finished(exported.parent / "run")
    for number, layer in enumerate(run.ensemble.network.layers, 1):
        shape = (layer.positions, layer.neurons, layer.fan_in)
        name = f"layer{number}.weight"
        np.testing.assert_allclose(bundle.floating[name], run.final[name].reshape(shape), rtol=0, atol=1e-12)
        np.testing.assert_array_equal(bundle.floating[f"layer{number}.initial"], run.initial[name].reshape(shape))
        scale = bundle.program["scales"][number - 1]["weight"]
        quantised = bundle.arrays[name] / scale
        assert np.abs(quantised - run.initial[name].reshape(shape)).max() <= 1.01 / scale


def test_it_goes_on_from_trained_weights(exported: Path, tmp_path: Path) -> None:
    run = exported.parent / "run"
    arguments = ["--start", "trained", "--stimuli", "3", "--rounding", "nearest"]
    assert main(["export", str(run), "--to", "lava", str(tmp_path / "b"), *arguments]) == 0
    bundle = read_bundle(tmp_path / "b")
    program = Program.of(bundle.program, bundle.arrays)
    assert program.rounding == "nearest"
    final = open_finished(run).final["layer2.weight"].reshape(program.layers[1].weight.shape)
    difference = program.layers[1].weight / program.scales[1]["weight"] - final
    assert np.abs(difference).max() <= 1.01 / program.scales[1]["weight"]


def test_the_bundle_of_a_run_on_a_chip_ends_with_the_weights_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)
        size = [
            "--steps",
            "20",
            "--width",
            "10",
            "--probes",
            "0",
            "--probe",
            "ridge",
            "--train-size",
            "64",
            "--test-size",
            "60",
        ]
        assert main(["simulate", "--backend", "loihi", *size, "--seed", "3", "--out", str(run)]) == 0
    assert main(["export", str(run), "--to", "lava", str(tmp_path / "b"), "--stimuli", "20"]) == 0
    bundle, finished = read_bundle(tmp_path / "b"), open_finished(run)
    for number in (1, 2):
        last, scale = bundle.golden[f"layer{number}.weight"], bundle.program["scales"][number - 1]["weight"]
        final = finished.final[f"layer{number}.weight"].reshape(last.shape)
        np.testing.assert_allclose(last / scale, final, rtol=0, atol=1e-6)
        assert (last != bundle.first_weights()[number - 1]).mean() > 0.1
    assert main(["export", str(run), "--to", "lava", str(tmp_path / "c"), "--start", "trained"]) == 2
    assert main(["export", str(run), "--to", "brian2", str(tmp_path / "x.py")]) == 2
    assert "take --to lava" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "run"]


WRITTEN = ("format", "version", "files", "checksum")  # of a manifest, by the container


def resigned(folder: Path, name: str, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """The bundle with another array file, and checksums that fit it."""
    manifest, files = container.read(folder)
    arrays = container.from_npz(files[name], name)
    change(arrays)
    files[name] = container.to_npz(arrays)
    shutil.rmtree(folder)
    container.write(folder, {k: manifest[k] for k in manifest if k not in WRITTEN}, files)


def test_a_network_that_does_not_learn_runs_on_stock_processes_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Profile hw-2f: Lava's own neurons, synapses and buffers, and no process or model of ours."""
    run, folder = simulated(tmp_path, "--rule", "none"), tmp_path / "bundle"
    arguments = ["--to", "lava", str(folder), "--stimuli", "6", "--profile", "hw-2f"]
    assert main(["export", str(run), *arguments]) == 0
    assert not list(folder.rglob("processes"))
    code = [path.read_text() for path in folder.rglob("*.py")]
    assert len(code) > 10
    assert "implements" not in "".join(code)  # no process model
    assert json.loads((folder / "manifest.json").read_text())["tested"].endswith("untested on silicon")
    assert "Untested on silicon" in (folder / "README.md").read_text()
    spikes = read_bundle(folder).spikes("golden")
    assert all(0.02 < part.mean() < 0.6 for part in (spikes[:, :, :-10], spikes[:, :, -10:]))  # both layers
    done = run_alone(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"spikes      0 of {int(spikes.sum())} differ" in done.stdout
    capsys.readouterr()
    assert main(["verify", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["code_is_ours"]


def test_one_spike_that_differs_is_found(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def flip(golden: dict[str, np.ndarray]) -> None:
        golden["spikes"][1, 5, 0] ^= 128

    resigned(copied, "golden.npz", flip)
    done = run_alone(copied, "--stimuli", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "spikes      1 of" in done.stdout
    assert "DISAGREE" in done.stdout
    assert main(["verify", str(copied), "--stimuli", "2"]) == 1
    assert "NOT what the bundle says" in capsys.readouterr().out


def test_a_changed_bundle_is_refused_by_both(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray((copied / "arrays.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (copied / "arrays.npz").write_bytes(content)
    assert main(["verify", str(copied)]) == 2
    told = capsys.readouterr().err
    assert "SHA-256 differs" in told
    assert len(told.splitlines()) == 1
    done = run_alone(copied)
    assert done.returncode == 2
    assert "SHA-256 differs" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["arrays.npz", "golden.npz", "float.npz"])
def test_a_bundle_that_lacks_arrays_is_refused(name: str, copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def cut(arrays: dict[str, np.ndarray]) -> None:
        arrays["spikes"] = arrays["spikes"][:-1]

    resigned(copied, name, cut)
    assert main(["verify", str(copied)]) == 2
    assert "is incomplete" in capsys.readouterr().err
    resigned(copied, name, dict.clear)
    assert main(["verify", str(copied)]) == 2
    assert "is incomplete" in capsys.readouterr().err


def modules(files: dict[str, bytes]) -> dict[str, str]:
    """The Python files below the folder of run.py, by the names that they are imported by."""
    names = (name for name in files if name.endswith(".py") and "/" in name)
    return {name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name for name in names}


def imported(tree: ast.Module, package: str) -> set[str]:
    """Names of what is imported anywhere in it; of what is imported from a package both together."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def test_a_bundle_needs_numpy_and_lava_alone(exported: Path) -> None:
    _, files = container.read(exported)
    own, roots, reached = modules(files), set(), {"plastic_lava"}
    for name in ("run.py", *own.values()):
        package = name.rpartition("/")[0].replace("/", ".")
        for one in imported(ast.parse(files[name]), package):
            if one.startswith("plastic_lava"):  # a module, or something in it; and its packages
                module = one if one in own else one.rpartition(".")[0]
                assert module in own, (name, one)
                reached |= {module[:at] for at, sign in enumerate(module) if sign == "."} | {module}
            else:
                roots.add(one.partition(".")[0])
    assert roots - set(sys.stdlib_module_names) == {"numpy", "lava"}
    assert reached == set(own)  # and there is nothing else
    leaf = {name for name in files if "/processes/" in name}
    folder = "plastic_lava/hardware/lava/processes"
    assert leaf == {f"{folder}/__init__.py", f"{folder}/models.py"}  # Lava runs every file that is there


def test_the_modules_of_a_bundle_are_those_of_plastic(exported: Path) -> None:
    _, files = container.read(exported)
    own = modules(files)
    assert files[own.pop("plastic_lava")] == b""
    assert len(own) > 15
    for module, name in own.items():
        source = importlib.import_module(module.replace("plastic_lava", "plastic", 1)).__file__
        assert source is not None
        assert files[name] == Path(source).read_bytes(), name
    assert len(files["run.py"].splitlines()) < 10


def test_the_bundle_of_an_earlier_plastic_is_verified_by_this_one(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its code was laid out otherwise; it is checked against the list of files, and not run."""
    manifest, files = container.read(copied)
    data = {name: content for name, content in files.items() if not name.startswith("plastic_lava")}
    data |= {"run.py": b"raise SystemExit(3)", "circuit.py": b"raise SystemExit(4)"}
    shutil.rmtree(copied)
    container.write(copied, {k: manifest[k] for k in manifest if k not in WRITTEN}, data)
    capsys.readouterr()
    assert main(["verify", str(copied), "--stimuli", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["agrees"]
    assert not found["code_is_ours"]


@pytest.mark.parametrize("name", ["program/running", "lava/processes/models", "bundle/run"])
def test_code_that_was_changed_is_refused(name: str, copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copied / "plastic_lava" / "hardware" / f"{name}.py"
    path.write_bytes(path.read_bytes() + b"\n")
    for status in (main(["verify", str(copied)]), run_alone(copied).returncode):
        assert status == 2
    assert f"{name}.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "arguments", "named"),
    [
        (["--weights", "shared"], [], "take --weights local"),
        (["--trace-timing", "arrived"], [], "--trace-timing emitted"),
        (["--optimizer", "adam"], [], "train with --optimizer sgd"),
        (["--rule-options", "sides=both"], [], "sides=current"),
        (["--backend", "rate", *SPIKELESS], [], "no spikes"),
        ([], ["--weight-bits", "9"], "--weight-bits is 9"),
        ([], ["--stimuli", "0"], "--stimuli is 0"),
        ([], ["--start", "middle"], "--start is one of"),
        ([], ["--rounding", "up"], "--rounding is one of"),
        ([], ["--profile", "hw-2f"], "take --profile sim-3f"),
        ([], ["--profile", "silicon"], "--profile is one of"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_anything_is_written(
    options: list[str], arguments: list[str], named: str, exported: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = simulated(tmp_path, *options) if options else exported.parent / "run"
    capsys.readouterr()
    assert main(["export", str(run), "--to", "lava", str(tmp_path / "b"), *arguments]) == 2
    told = capsys.readouterr().err
    assert named in told
    assert len(told.splitlines()) == 1
    assert {p.name for p in tmp_path.iterdir()} <= {"run"}


def newer(folder: Path) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(content | {"version": content["version"] + 1}))


@pytest.mark.parametrize(
    ("change", "arguments", "named"),
    [
        (newer, [], "newer"),
        (lambda folder: (folder / "golden.npz").unlink(), [], "golden.npz"),
        (lambda folder: (folder / "notes.txt").write_text("mine"), [], "notes.txt"),
        (shutil.rmtree, [], "is not a bundle"),
        (lambda folder: None, ["--stimuli", "0"], "--stimuli is 0"),
        (lambda folder: None, ["--stimuli", "31"], "the bundle has 30"),
    ],
)
def test_verify_refuses_with_one_sentence(
    change: Callable[[Path], object], arguments: list[str], named: str, copied: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    change(copied)
    assert main(["verify", str(copied), *arguments]) == 2
    told = capsys.readouterr().err
    assert named in told
    assert len(told.strip().splitlines()) == 1


def test_a_folder_that_is_not_empty_is_refused(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = container.read(exported)
    assert main(["export", str(exported.parent / "run"), "--to", "lava", str(exported), "--stimuli", "2"]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert container.read(exported) == before
