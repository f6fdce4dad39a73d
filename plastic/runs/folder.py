"""A run is a folder: config.toml, versions.json, metrics.jsonl, checkpoint, weights, traces, picture, result.json.

Weights are safetensors, traces a zarr store (plastic.traces.store); nothing is pickled. Everything is written below
the folder, and files are there whole or not at all, but for metrics.jsonl and the traces, which grow.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.backends import backends
from plastic.config.file import from_toml, read_text, settings_text, stored_settings_text, to_toml
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.files import remove_partial, write_file, write_json
from plastic.networks import Layer
from plastic.networks.network import RUN
from plastic.networks.table import rule_text

Arrays = dict[str, NDArray[Any]]
CHECKPOINT = "checkpoint.safetensors"
FINGERPRINT = "settings"  # in the checkpoint
REPORTED = (
    "plastic",
    "torch",
    "numpy",
    "scikit-learn",
    "scipy",
    "safetensors",
    "matplotlib",
    "tyro",
    "pydantic",
)


def versions() -> dict[str, str]:
    """Python and the packages that a result depends on, those of all backends among them; "not installed" where one is
    missing."""
    found = {"python": platform.python_version()}
    for name in dict.fromkeys([*REPORTED, *(backend.package.name for backend in backends().values())]):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def free_folder(config: Config) -> Path:
    """runs/RULE-BACKEND-DATA-seedN, with a number behind it if that exists already."""
    base = Path("runs") / f"{label(config)}-{config.backend}-{config.stimuli.data}-seed{config.seed}"
    folder, number = base, 2
    while folder.exists():
        folder, number = base.with_name(f"{base.name}-{number}"), number + 1
    return folder


class RunFolder:
    """Writes one run; made when everything about it is known to be right."""

    def __init__(self, path: Path, fingerprint: bytes, made: bool = False) -> None:
        self.path, self.fingerprint, self._made = path, fingerprint, made  # made: not there before

    @classmethod
    def create(cls, path: Path, config: Config) -> RunFolder:
        """A new folder. PlasticError if it exists and is not empty, or cannot be written."""
        made = not path.exists()
        try:
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise PlasticError(f"{str(path)!r} exists and is not an empty folder; choose another --out.")
            path.mkdir(parents=True, exist_ok=not made)  # two runs that begin at once do not share one
            write_file(path / "config.toml", to_toml(config))
        except OSError as error:
            raise PlasticError(f"cannot write the run folder {str(path)!r} ({error}); choose another --out.") from None
        folder = cls(path, fingerprint(config), made)
        folder.write_json("versions.json", versions())
        return folder

    def discard(self) -> None:
        """Take back a folder that was created for a run which could not begin."""
        for path in self.path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if self._made:
            self.path.rmdir()

    @classmethod
    def open(cls, path: Path) -> tuple[RunFolder, Arrays]:
        """A folder that a killed run left, and its last checkpoint.

        PlasticError if there is no checkpoint, it cannot be read, config.toml or the file of the rule or neuron was
        changed after it, or something in the folder is a link, through which the run would write elsewhere.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        if read_result(path) is not None:
            raise PlasticError(f"the run {str(path)!r} has ended already; its result is in result.json.")
        if link := next((file for file in path.rglob("*") if file.is_symlink()), None):
            raise PlasticError(
                f"cannot resume {str(path)!r}: {link.name!r} in it is a link; put the file itself there."
            )
        try:
            saved = load_file(path / CHECKPOINT)
            int(saved["step"])
            read_metrics(path)
            before, text = saved.pop(FINGERPRINT).tobytes(), read_text(path / "config.toml")
            config = from_toml(text)
            now = {_digest(settings, config) for settings in (settings_text(config), stored_settings_text(text))}
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise PlasticError(
                f"cannot resume {str(path)!r}: its {CHECKPOINT} is missing or damaged ({error}); start it anew with "
                f"--config {path / 'config.toml'}."
            ) from None
        if before not in now:
            raise PlasticError(
                f"the config.toml of {str(path)!r} was changed after its {CHECKPOINT} was written, or the file of its "
                f"rule or neuron was; undo the change, or start a run anew with --config {path / 'config.toml'}."
            )
        return cls(path, before), saved

    def write_checkpoint(self, arrays: Arrays) -> None:
        """What a killed run goes on from; it knows the settings that the run began with."""
        self.write_arrays(CHECKPOINT, arrays | {FINGERPRINT: np.frombuffer(self.fingerprint, np.uint8)})

    def drop_metrics_after(self, step: int) -> None:
        """Forget what a killed run had written after its checkpoint at `step`, and what it was writing."""
        remove_partial(self.path)
        rows = [row for row in read_metrics(self.path) if row["step"] <= step]
        write_file(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        write_json(self.path / name, content, indent=2)

    def append_metrics(self, row: dict[str, Any]) -> None:
        """One JSON line, on disk at once."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def write_arrays(self, name: str, arrays: Arrays) -> None:
        """A safetensors file."""
        from safetensors.numpy import save

        write_file(self.path / name, save({k: np.asarray(v, order="C") for k, v in arrays.items()}))


def fingerprint(config: Config) -> bytes:
    """Of all settings, however they are laid out in a file, and of rules and a neuron that are files of the user's."""
    return _digest(settings_text(config), config)


def _digest(settings: str, config: Config) -> bytes:
    declared = [config.rule, config.spiking.neuron, *(rule_text(layer) for layer in _layers(config))]
    files = [file for file, separator, _ in (one.rpartition(".py:") for one in dict.fromkeys(declared)) if separator]
    content = b"".join(Path(f"{file}.py").read_bytes() for file in files)
    return hashlib.sha256(settings.encode() + content).digest()


def _layers(config: Config) -> tuple[Layer, ...]:
    return () if config.network.layout is None else config.network.layout.layers


def label(config: Config) -> str:
    """The rules of a run in one word, of files the name of the class."""
    texts = [config.rule if (text := rule_text(layer)) == RUN else text for layer in _layers(config)] or [config.rule]
    names = dict.fromkeys(text.rpartition(":")[2] if ".py:" in text else text for text in texts)
    return "-".join(Path(name).name.lower() for name in names)


def read_arrays(path: Path) -> Arrays:
    """A safetensors file of the run."""
    from safetensors.numpy import load_file

    arrays: Arrays = load_file(path)
    return arrays


def read_result(path: Path) -> dict[str, Any] | None:
    """result.json of a run folder; None where there is none that can be read, so that the run has not ended."""
    try:
        found = json.loads((path / "result.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl; a last line that was cut off by a kill is left out."""
    lines = (path / "metrics.jsonl").read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]
