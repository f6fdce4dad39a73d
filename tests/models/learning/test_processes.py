"""Two processes that share the streams learn what one learns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from plastic.cli import main
from plastic.errors import PlasticError
from plastic.models.learning.processes import Share
from plastic.models.settings import Settings
from plastic.models.training.ensemble import Ensemble
from plastic.rules import load_rule
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.strings import rhm_task

COMMON = [
    *("--backend", "rate", "--levels", "2", "--train-size", "64", "--test-size", "50", "--width", "12"),
    *("--batch", "8", "--steps", "60", "--probes", "1", "--probe", "ridge"),
]


COMMANDS = """
import json, sys
import torch.distributed
from plastic.cli import main
for arguments in json.loads(sys.argv[1]):
    status = main(["simulate", *arguments])
    print("status", status, flush=True)
torch.distributed.barrier()  # when one process fails, torchrun ends the others
sys.exit(status)
"""


def torchrun(folder: Path, *commands: list[str], processes: int = 2) -> subprocess.CompletedProcess[str]:
    """plastic simulate, one command after the other, on several processes that talk by gloo."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    (folder / "commands.py").write_text(COMMANDS)
    return subprocess.run(
        [*launcher, "commands.py", json.dumps(commands)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def test_two_processes_equal_one_and_refuse_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {
        rule: ["--rule", rule, "--optimizer", optimizer, *COMMON]
        for rule, optimizer in (("clapp", "adam"), ("bp", "sgd"))
    }
    two = [[*settings[rule], "--out", f"{rule}-two"] for rule in settings]
    finished = torchrun(tmp_path, *two, ["--rule", "vicreg", *COMMON])
    assert finished.stdout.count("status 0") == 4, finished.stdout + finished.stderr  # two commands, two processes
    for rule in settings:
        assert main(["simulate", *settings[rule], "--out", f"{rule}-one"]) == 0
        equal(rule, tmp_path)
    assert finished.returncode != 0
    assert "plastic: rule 'vicreg' averages over the batch" in finished.stderr
    assert not (tmp_path / "runs").exists()


def equal(rule: str, folder: Path) -> None:
    """The weights of the runs by one process and by two, which are not those that both began with."""
    one, two = (load_file(folder / f"{rule}-{name}" / "weights.safetensors") for name in ("one", "two"))
    start = Ensemble(
        Settings(load_rule(rule), widths=(12, 12), batch=8),
        [rhm_task(RandomHierarchyModel(levels=2), 64, test_size=50)],
        [0],
        [1e-3],
    ).parameters
    assert set(one) == set(two)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-5, atol=1e-5)
    moved = (one["layer1.weight"] - start["layer1.weight"][0]).abs().max()
    assert moved > 1e-3, "nothing was learned, so nothing was compared"
    different = any(not torch.equal(one[name], two[name]) for name in one)
    assert different or rule == "bp", "sums in another order differ in the last bits"


def test_one_process_alone_has_only_its_part() -> None:
    """Without the sum the weights are others: the equality above is not vacuous."""
    task = rhm_task(RandomHierarchyModel(levels=2), 64, test_size=50)
    settings = Settings(load_rule("clapp"), widths=(12, 12), batch=8, optimizer="sgd")
    whole = Ensemble(settings, [task], [0], [1e-2])
    stimulus = whole.stream.next()
    parts = [Share(rank, 2).part(stimulus) for rank in range(2)]
    assert [p.inputs.shape[1] for p in parts] == [4, 4]
    assert (torch.as_tensor(parts[1].labels) == torch.as_tensor(stimulus.labels[:, 4:])).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(load_rule("vicreg"), batch=8), "averages over the batch"),
        (Settings(load_rule("infonce"), batch=8), "compares its streams"),
        (Settings(load_rule("bp", {"mask": "batch"}), batch=8), "averages over the batch"),
        (Settings(load_rule("clapp"), batch=9), "do not divide"),
    ],
)
def test_what_does_not_come_apart_is_refused(settings: Settings, message: str) -> None:
    with pytest.raises(PlasticError, match=message):
        Share(0, 2).check(settings.rule, settings.batch, spiking=False)
