"""One synapse at work, drawn with matplotlib: for the picture of a run and for publications."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plastic.errors import PlasticError
from plastic.files import replacing
from plastic.traces.opened import Run
from plastic.traces.view import Curve, View

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#777777"  # colour-blind safe
SHADES = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00", "#56B4E9")
COLOURS = {
    "pre_spike": GREEN, "pre_trace": GREEN, "membrane": BLUE, "spike": BLUE, "post_factor": PURPLE,
    "eligibility": "#882255", "activity": BLUE, "gate": "#E69F00", "dendrite": "#56B4E9", "modulator": ORANGE,
    "weight": "black", "weight_change": "black", "rounding": GREY,
}  # fmt: skip
DRAWN = ("pre_trace", "membrane", "post_factor", "eligibility", "gate", "dendrite", "modulator", "weight", "rounding")


def save_synapse(out: Path, run: Run, displayed: View) -> None:
    """The factors of a synapse as a figure of its own (PNG, PDF, SVG); PlasticError if it cannot be written."""
    figure = Figure(figsize=(7.2, 0.72 * len(panels(displayed)) + 1.1), layout="constrained")
    draw_synapse(figure, run, displayed, f"of {run.traces.attrs['rule']} on {run.traces.attrs['backend']}")
    save(figure, out)


def check_name(out: Path) -> None:
    """PlasticError for a figure that could not be written, before anything is computed for it."""
    if out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise PlasticError(f"cannot draw {str(out)!r}; --out ends in .png, .pdf or .svg.")
    if not out.absolute().parent.is_dir():
        raise PlasticError(f"cannot write the figure {str(out)!r} (there is no such folder); choose another --out.")


def save(figure: Figure, out: Path) -> None:
    """Write a figure in the format of the file's name, with text as text; PlasticError if that cannot be."""
    check_name(out)
    try:
        with replacing(out) as place, rc_context({"pdf.fonttype": 42, "svg.fonttype": "none"}):
            figure.savefig(place, dpi=200)
    except OSError as error:
        raise PlasticError(f"cannot write the figure {str(out)!r} ({error}); choose another --out.") from None


def panels(displayed: View) -> list[str]:
    """What gets an axis: spikes together, the factors, and the rule's own signals but for its weights."""
    raster = ["spikes"] if {"pre_spike", "spike"} & set(displayed.curves) else []
    own = [
        name for name in displayed.curves if name.partition("[")[0] not in COLOURS and not name.startswith("context_")
    ]
    return raster + [name for name in DRAWN if name in displayed.curves] + own


def draw_synapse(figure: Any, run: Run, displayed: View, note: str = "") -> None:
    """All factors of a synapse under each other in an (empty) matplotlib figure or subfigure."""
    names = panels(displayed)
    axes: list[Axes] = list(np.atleast_1d(figure.subplots(len(names), 1, sharex=True)))
    first, last = displayed.stimuli[0].stimulus, displayed.stimuli[-1].stimulus
    axes[0].set_title(
        f"{displayed.synapse}, stimuli {first} to {last} {note}\n"
        "grey: saccade (y = −1), white: fixation (y = +1); small: the label",
        fontsize=9,
        pad=14,
    )
    for axis, name in zip(axes, names, strict=True):
        if name == "spikes":
            _raster(axis, run, displayed)
        else:
            _line(axis, run, displayed.curves[name])
        mark_boundaries(axis, displayed)
        axis.tick_params(labelsize=7)
    for boundary in displayed.stimuli:
        middle = (boundary.start + boundary.end) / 2
        axes[0].text(
            middle, 1.02, str(boundary.label), transform=axes[0].get_xaxis_transform(), ha="center", fontsize=7,
            color=GREY,
        )  # fmt: skip
    axes[-1].set_xlabel("time (ms)" if run.spiking else "stimulus")
    figure.align_ylabels(axes)


def label(curve: Curve) -> str:
    """Name and unit, over two lines."""
    return f"{curve.name.replace('_', ' ')}\n({curve.unit})"


def _raster(axis: Axes, run: Run, displayed: View) -> None:
    rows = [(name, side) for name, side in (("spike", "post"), ("pre_spike", "pre")) if name in displayed.curves]
    if not run.spiking:
        for name, side in rows:
            curve = displayed.curves[name]
            axis.step(curve.time, curve.value, where="post", color=COLOURS[name], lw=1, label=side)
        axis.set_ylabel("activity\n(a.u.)", fontsize=8)
        axis.legend(fontsize=6, loc="upper right")
        return
    for row, (name, _) in enumerate(rows):
        curve = displayed.curves[name]
        axis.eventplot(curve.time[curve.value > 0], lineoffsets=row, linelengths=0.7, colors=COLOURS[name])
    axis.set_yticks(range(len(rows)), [side for _, side in rows])
    axis.set_ylabel("spikes", fontsize=8)
    axis.set_ylim(-0.6, len(rows) - 0.4)


def _line(axis: Axes, run: Run, curve: Curve) -> None:
    colour = COLOURS.get(curve.name.partition("[")[0], "#44AA99")
    if curve.clock == "step" and run.spiking:
        for one in np.unique(curve.stimulus):  # not joined over what was not recorded
            chosen = curve.stimulus == one
            axis.plot(curve.time[chosen], curve.value[chosen], color=colour, lw=1)
        if curve.name == "membrane" and "threshold" in run.traces.attrs:
            axis.axhline(run.traces.attrs["threshold"], color=GREY, ls="--", lw=0.8)
    else:
        length = int(run.traces.attrs["time_steps"])
        for time, value in zip(curve.time, curve.value, strict=True):
            axis.hlines(value, time, time + length, color=colour, lw=1.5)
            if curve.name == "modulator":
                axis.fill_between([time, time + length], 0, float(value), color=colour, alpha=0.3, lw=0)
    if curve.name in ("gate", "dendrite", "modulator"):
        axis.axhline(0, color=GREY, lw=0.5)
    axis.set_ylabel(label(curve), fontsize=8)


def mark_boundaries(axis: Axes, displayed: View) -> None:
    """Saccades in grey, and a line where each stimulus begins."""
    axis.set_xlim(displayed.stimuli[0].start, displayed.stimuli[-1].end)
    for boundary in displayed.stimuli:
        if not boundary.fixation:
            axis.axvspan(boundary.start, boundary.end, color="#e9e9e9", lw=0, zorder=-2)
        axis.axvline(boundary.start, color="#cccccc", lw=0.5, zorder=-1)
