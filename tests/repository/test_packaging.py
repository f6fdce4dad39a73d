"""The wheel in a fresh environment; types and style, checked as CI does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = ROOT / "pyproject.toml"
PACKED = ("plastic", "models", "hardware", "experiments", "README.md", "LICENSE", "pyproject.toml")


def run(*command: str | Path, cwd: Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """The command, without anything of this environment that would put the checkout on its path."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "MYPYPATH")}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=clean, input=text, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip


def done(*command: str | Path, cwd: Path) -> str:
    """Its output; the test fails if the command does."""
    finished = run(*command, cwd=cwd)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that no build folder is left in the checkout (or taken from it)."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    copy.mkdir()
    for name in PACKED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    done(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, copy, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a new environment with the wheel; its dependencies are those of this one.

    They come by a .pth file. The .pth files of that folder are not read in turn, so an editable
    install there stays out.
    """
    home = tmp_path_factory.mktemp("fresh")
    done(sys.executable, "-m", "venv", "--without-pip", home / "venv", cwd=home)
    python = next(path for path in (home / "venv").glob("*/python*") if path.stem == "python")
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(done(python, "-I", "-c", script, cwd=home).strip())
    theirs = [path for path in sys.path if Path(path).name == "site-packages"]
    assert theirs
    (site / "dependencies.pth").write_text("\n".join(theirs) + "\n")
    done(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=home)
    return python


def test_the_wheel_holds_one_package_with_all_modules_and_nothing_beside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"plastic"}
    mapped = {folder: f"plastic/{folder}" for folder in ("models", "hardware", "experiments")} | {"plastic": "plastic"}
    expected = {
        str(Path(mapped[folder]) / path.relative_to(ROOT / folder))
        for folder in mapped
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == expected
    assert "plastic/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_installed_package_imports_from_its_own_environment(fresh: Path, tmp_path: Path) -> None:
    script = (
        "import importlib.util, json, plastic, plastic.cli, plastic.models.runs.simulate, plastic.hardware, "
        "plastic.experiments\n"
        "print(json.dumps([[m.__file__ for m in (plastic, plastic.cli, plastic.models.runs.simulate, plastic.hardware, "
        "plastic.experiments)], [n for n in ('models', 'hardware', 'experiments') if importlib.util.find_spec(n)]]))"
    )
    files, bare = json.loads(done(fresh, "-c", script, cwd=tmp_path))
    home = fresh.parents[1]
    assert all(Path(file).is_relative_to(home) for file in files)
    assert not any(Path(file).is_relative_to(ROOT) for file in files)
    assert bare == []


def test_the_installed_commands_work(fresh: Path, tmp_path: Path) -> None:
    record = json.loads(done(fresh, "-m", "plastic.cli", "rules", "--json", cwd=tmp_path).splitlines()[-1])
    assert {"clapp", "dfa", "bp", "none"} <= {rule["name"] for rule in record["rules"]}
    assert "nokland2016direct" in done(fresh.parent / "plastic", "cite", "dfa", cwd=tmp_path)
    tiny = ["--steps", "3", "--width", "4", "--levels", "2", "--batch", "4", "--train-size", "64", "--probes", "0"]
    output = done(fresh.parent / "plastic", "simulate", "--backend", "rate", *tiny, "--json", cwd=tmp_path)
    result = json.loads(output.splitlines()[-1])
    assert (tmp_path / result["run"] / "result.json").is_file()


def test_mypy_passes_on_the_installed_package(fresh: Path, tmp_path: Path) -> None:
    known = ROOT / ".mypy_cache" / "installed"  # of its dependencies; plastic itself lies elsewhere in each run
    options = ["--config-file", PYPROJECT, "--python-executable", fresh, "--cache-dir", known]
    report = done(sys.executable, "-m", "mypy", *options, "-p", "plastic", cwd=tmp_path)
    assert "Success: no issues found" in report
    assert int(report.split("no issues found in ")[1].split()[0]) >= 30  # source files: all, not a stub


RUFF = (sys.executable, "-m", "ruff")


def test_ruff_passes_on_the_checkout() -> None:
    done(*RUFF, "check", "--no-cache", ".", cwd=ROOT)
    done(*RUFF, "format", "--no-cache", "--check", ".", cwd=ROOT)


@pytest.mark.parametrize(
    ("statement", "flagged"),
    [
        ("import models", True),
        ("import models.rate", True),
        ("from models import rate", True),
        ("from models.rate import RateSimulator", True),
        ("import hardware", True),
        ("from experiments import benchmark", True),
        ("import plastic.models", False),
        ("from plastic.models.backends import rate", False),
        ("from plastic import models", False),
    ],
)
def test_ruff_flags_an_import_by_bare_name(statement: str, flagged: bool, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch.py"
    scratch.write_text(f"{statement}\n")
    report = run(*RUFF, "check", "--no-cache", "--config", PYPROJECT, scratch, cwd=tmp_path)
    assert ("TID251" in report.stdout) == flagged
    assert report.returncode == 1  # in either case the import is unused, so the file was looked at
