"""Are the emulator (`loihi`) and Lava's fixed point the same, and Lava's float and the reference? On RHM with L = 2.

    python -m plastic.experiments.studies.chip_exact

200 stimuli of learning for each of four rules, and for four whose weights change in every step: bit for bit
(spikes, tags, weights, modulators; both roundings, two seeds), and in floating point (spikes equal, weights relative
to how far they moved). A rule may have options, and be without a tag, as in espp,gate=online,eligibility=none.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from plastic.backends import first, reference
from plastic.experiments.studies.spiking import Spikes
from plastic.experiments.sweeps.averages import write_result
from plastic.hardware.chip.on_lava import quantised_of
from plastic.hardware.chip.options import Hardware
from plastic.hardware.chip.refusals import chip_options
from plastic.hardware.compiler.options import Chip
from plastic.hardware.emulator.emulator import Emulator
from plastic.hardware.lava.fixed import run_fixed
from plastic.hardware.program.spec import ROUNDINGS, Eligibility, Program
from plastic.models.neuron.constants import SpikingStep
from plastic.models.settings import Settings, SpikeInput
from plastic.models.training.ensemble import Ensemble
from plastic.rules import load_rule
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.strings import rhm_task
from plastic.stimuli.task import Task

OUT = Path("docs/results/chip-exact.json")
RULES = ("clapp", "dfa", "lpl", "espp")
LEAKING = "eprop,learning_signal=step"  # its tags forget, in integers only
AT_ONCE = (  # weights change in every step: the modulator is known before the stimulus, or in every step, without a tag
    "drtp,eligibility=none", "espp,gate=online,eligibility=none", "eprop,learning_signal=step,leak=0,eligibility=none",
    LEAKING,
)  # fmt: skip
WIDTHS, TIME_STEPS = (12, 10), 20
RATE = {
    "lpl": 2.0,
    "simsiam": 0.02,
    "sdfa": 0.02,
    "barlow": 0.001,
    "vicreg": 0.01,
    LEAKING: 0.02,
}  # where 0.1 is too little or much
FLOAT = 0.1  # of that rate: a livelier course is chaotic, and 1e-16 grows to 1e-2 of the weights in 200 stimuli
Options = Mapping[str, str]  # of a rule; None where a function takes them: those with which it fits a chip


def task(seed: int) -> Task:
    """The L = 2 RHM with 4 symbols, 8 classes and 2 synonyms: 64 strings."""
    return rhm_task(RandomHierarchyModel(4, 8, 2, 2, 2, seed), 48, "class", seed, 16, "onehot")


def settings(rule: str, backend: str, options: Options | None = None) -> Settings:
    options = (chip_options(rule) or {}) if options is None else options
    return Settings(
        rule=load_rule(rule, dict(options)), widths=WIDTHS, shared=False, backend=backend, batch=1,
        spiking=SpikingStep(trace_timing="emitted"), spike_input=SpikeInput(TIME_STEPS), optimizer="sgd",
        dtype=torch.float64,
    )  # fmt: skip


@dataclass
class ChipCase:
    """A program and stimuli of an RHM stream."""

    program: Program
    spikes: NDArray[Any]
    fixation: NDArray[Any]
    target: NDArray[Any]


def parsed(text: str) -> tuple[str, dict[str, str] | None, Eligibility]:
    """Rule, options (None: those with which it fits a chip) and eligibility of RULE,KEY=VALUE,…"""
    rule, *pairs = text.split(",")
    options = dict(pair.split("=", 1) for pair in pairs)
    eligibility = options.pop("eligibility", "tag")
    return rule, options or None, cast(Eligibility, eligibility)


def chip_case(
    rule: str, rounding: Any, seed: int, stimuli: int, options: Options | None = None, eligibility: Eligibility = "tag",
    rate: float | None = None,
) -> ChipCase:  # fmt: skip
    """The rule's quantised network and its first stimuli."""
    rate = rate or RATE.get(rule, 0.1)
    chip = Chip(rounding=rounding, seed=seed, eligibility=eligibility)
    given = replace(settings(rule, "loihi", options), options=Hardware(chip, calibration=(100, 4)))
    ensemble = Ensemble(given, [task(seed)], [seed], [rate])
    spikes, fixation, target = [], [], []
    for k in range(stimuli):
        stimulus = ensemble.stream.next()
        spikes.append(ensemble.encode(stimulus.inputs, "spikes", k)[0, :, 0].numpy())
        fixation.append(np.where(stimulus.fixation[0, 0], 1, -1))
        target.append(np.eye(ensemble.network.classes, dtype=np.int64)[stimulus.labels[0, 0]])
    return ChipCase(quantised_of(ensemble).program, np.stack(spikes), np.array(fixation), np.stack(target))


def compare_fixed(
    rule: str, rounding: str, seed: int, stimuli: int, options: Options | None = None, eligibility: Eligibility = "tag",
    rate: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Bits that differ between emulator and Lava: spikes and modulators of all stimuli, tags and weights too."""
    case = chip_case(rule, rounding, seed, stimuli, options, eligibility, rate)
    emulator = Emulator(case.program, [seed])
    start = emulator.weights
    differing = dict.fromkeys(("spikes", "modulators", "tags", "weights"), 0)
    spikes, largest_tag, largest_modulator, rates, not_zero = 0, 0, 0, [], []
    run = run_fixed(case.program, case.spikes, case.fixation, case.target, seed=seed, tags=True)
    for k, observed in enumerate(run):
        one = slice(k, k + 1)
        done = emulator.stimulus(case.spikes[one], False, case.fixation[one], case.target[one])
        tags = emulator.tags
        sent = emulator.learn(done, case.fixation[one], case.target[one])
        own = np.concatenate(done.spikes, axis=2)[0]
        differing["spikes"] += int((own != observed.spikes).sum())
        differing["modulators"] += int((sent[0] != observed.modulators).sum())
        differing["tags"] += sum(int((a[0] != b).sum()) for a, b in zip(tags, observed.tags, strict=True))
        differing["weights"] += sum(
            int((a[0] != b).sum()) for a, b in zip(emulator.weights, observed.weights, strict=True)
        )
        spikes += int(own.sum())
        rates.append([float(layer.mean()) for layer in done.spikes])
        largest_tag = max(largest_tag, *(int(tag.max()) for tag in tags))
        not_zero.append(float((sent != 0).mean()))
        largest_modulator = max(largest_modulator, int(np.abs(sent).max()))
    moved = [float((a != b).mean()) for a, b in zip(start, emulator.weights, strict=True)]
    return {
        "rule": rule, "rounding": rounding, "seed": seed, "stimuli": stimuli, "differing": differing, "spikes": spikes,
        "rates": np.mean(rates, axis=0).tolist(), "weights_moved": moved, "largest_tag": largest_tag,
        "largest_modulator": largest_modulator, "modulators_not_zero": float(np.mean(not_zero)),
    }  # fmt: skip


def float_case(
    rule: str, seed: int, stimuli: int, options: Options | None = None, slower: float = 1.0
) -> dict[str, Any]:
    """Lava's floating point against the reference, from the same weights on the same spikes; `slower` is a part of
    the rule's learning rate."""
    rate = slower * RATE.get(rule, 0.1)
    truth = Ensemble(settings(rule, first(reference), options), [task(seed)], [seed], [rate])
    floats = replace(settings(rule, "lava", options), options=Hardware(precision="float"))
    lava = Ensemble(floats, [task(seed)], [seed], [rate])
    start = {k: v.clone() for k, v in truth.parameters.items()}
    tracks = Spikes(), Spikes()
    truth.train(stimuli, tracks[0])
    lava.train(stimuli, tracks[1])
    expected, found = truth.parameters, lava.parameters
    moved = {k: float((v - start[k]).abs().max()) for k, v in expected.items()}
    changed = {k: m for k, m in moved.items() if m > 0 and not k.startswith("readout")}
    errors = [float((expected[k] - found[k]).abs().max()) / m for k, m in changed.items()]
    return {
        "rule": rule, "seed": seed, "stimuli": stimuli,
        "spikes": int(sum(s.sum() for s in tracks[0].kept)),
        "spikes_differing": sum(int((a != b).sum()) for a, b in zip(tracks[0].kept, tracks[1].kept, strict=True)),
        "weight_error": float(np.max(errors, initial=0.0)),
        "moved": min((m for k, m in changed.items() if k.endswith(".weight")), default=0.0),
    }  # fmt: skip


def _compare(kind: str, case: str, seeds: Sequence[int], stimuli: int) -> Iterator[dict[str, Any]]:
    rule, options, eligibility = parsed(case)
    for seed in seeds:
        if kind == "float" and case == LEAKING:
            return  # refused in floating point
        elif kind == "float":
            yield float_case(rule, seed, stimuli, options, FLOAT) | {"rule": case}
        else:
            for rounding in ROUNDINGS:
                yield compare_fixed(rule, rounding, seed, stimuli, options, eligibility, RATE.get(case)) | {
                    "rule": case
                }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stimuli", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--rules", nargs="+", default=[*RULES, *AT_ONCE])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", choices=("fixed", "float"), help="one of the two comparisons (default: both)")
    parser.add_argument("--add", action="store_true", help="to the comparisons that --out holds")
    given = parser.parse_args()
    torch.set_num_threads(1)
    before = json.loads(given.out.read_text()) if given.add else {"fixed": [], "float": []}
    found: dict[str, list[dict[str, Any]]] = {"fixed": before["fixed"], "float": before["float"]}
    wanted = [given.only] if given.only else ["float", "fixed"]
    for rule in given.rules:
        for kind in wanted:
            found[kind] = [one for one in found[kind] if one["rule"] != rule]
            for one in _compare(kind, rule, given.seeds, given.stimuli):
                found[kind].append(one)
                print(one, flush=True)
    rules = dict.fromkeys(one["rule"] for one in found["fixed"])
    options = f"--rules {' '.join(rules)} --seeds {' '.join(map(str, given.seeds))} --stimuli {given.stimuli}"
    write_result(given.out, f"python -m plastic.experiments.studies.chip_exact {options}", found)
    if any(any(one["differing"].values()) for one in found["fixed"]) or any(
        one["spikes_differing"] or one["weight_error"] > 1e-6 for one in found["float"]
    ):
        sys.exit(1)


if __name__ == "__main__":
    main()
