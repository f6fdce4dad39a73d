"""Does a bundle run where there is lava-nc and nothing else?

    python -m plastic.experiments.studies.fresh_bundle --python python3.10

Trains a spiking network on snntorch by each of four rules, and by three whose weights change in every step on the chip,
exports each as a bundle, makes a new virtual environment, installs lava-nc there, and runs the bundles in it. Needs
a network or a package mirror.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from plastic.cli import main as plastic
from plastic.experiments.sweeps.averages import write_result

RULES = {
    "clapp": [],
    "dfa": [],
    "lpl": ["--rule-options", "sides=current"],
    "espp": [],
    "espp-online": ["--rule-options", "gate=online"],
    "eprop-step": ["--rule-options", "learning_signal=step", "leak=0"],
    "eprop-leak": ["--rule-options", "learning_signal=step"],
}
NO_TAG = ("espp-online", "eprop-step")
RUN = [
    "--backend", "snntorch", "--batch", "1", "--dtype", "float64", "--weights", "local", "--trace-timing", "emitted",
    "--width", "32", "--steps", "400", "--probes", "0",
]  # fmt: skip
RATES = {"lpl": "0.01", "eprop-leak": "0.01"}  # others: 0.05


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", default="python3.10", help="the Python of the new environment")
    parser.add_argument("--stimuli", type=int, default=200)
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=list(RULES))
    parser.add_argument("--out", type=Path, default=Path("docs/results/fresh-bundle.json"))
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = environment(folder, chosen.python)
        listed = subprocess.run([python, "-m", "pip", "list", "--format", "freeze"], check=True, capture_output=True)
        bundles = {rule: bundle_run(folder, rule, python, chosen.stimuli) for rule in chosen.rules}
    options = f"--rules {' '.join(chosen.rules)} --stimuli {chosen.stimuli}"
    command = f"python -m plastic.experiments.studies.fresh_bundle {options}"
    write_result(chosen.out, command, {"environment": listed.stdout.decode().split(), "bundles": bundles})
    return 0 if all(one["status"] == 0 for one in bundles.values()) else 1


def environment(folder: Path, python: str) -> Path:
    """A new virtual environment with lava-nc and what it needs."""
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
    inside = folder / "venv" / "bin" / "python"
    subprocess.run([inside, "-m", "pip", "install", "--quiet", "lava-nc==0.10.0"], check=True)
    return inside


def bundle_run(folder: Path, rule: str, python: Path, stimuli: int) -> dict[str, object]:
    """Train, export, and run the bundle with that Python, which knows nothing of plastic."""
    run, bundle = str(folder / f"run-{rule}"), folder / rule
    name = rule.partition("-")[0]
    options = ["--rule", name, *RULES[rule], "--learning-rate", RATES.get(rule, "0.05"), *RUN]
    tagged = ["--eligibility", "none" if rule in NO_TAG else "tag"]
    made = plastic(["simulate", *options, "--out", run])
    made = made or plastic(["export", run, "--to", "lava", str(bundle), "--stimuli", str(stimuli), *tagged])
    if made:
        return {"status": made}
    started = time.perf_counter()
    done = subprocess.run([python, bundle / "run.py"], cwd=folder, env={}, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() or done.stderr.splitlines()[-1:]
    return {"status": done.returncode, "seconds": round(time.perf_counter() - started, 1), "said": lines}


if __name__ == "__main__":
    sys.exit(main())
