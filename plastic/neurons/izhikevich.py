"""Izhikevich's neuron: two variables that fire like most cells of the cortex.

    v' = 0.04 v² + 5 v + 140 − w + gain · I,    w' = a (b min(v, 30) − w)        (v in mV, t in ms)
    s = 1 if v > 30 mV;    then v = c and w = w + d

One step of 1 ms is his own scheme: v by two Euler steps of ½ ms, then w by one. But w gets no more than the peak of v:
in a step of this length v overshoots it by hundreds of mV, which in the published program reach w and make the same
neuron chaotic, so that a last digit decides when it fires next. a, b, c and d choose the firing:
regular spiking (the default: 0.02, 0.2, −65, 8), intrinsically bursting (c = −55, d = 4), chattering (c = −50, d = 2),
fast spiking (a = 0.1, d = 2), and so on.

The membrane is kept in thresholds: u = θ (v − c)/(30 mV − c), which is 0 at the reset and θ at the peak, so the
canonical ψ(u − θ) and weights in thresholds hold as they are. β has no part in it. Of a drive of one threshold `gain`
makes millivolts per ms: the default lifts a neuron at rest about to where it fires by itself.

Why not the adaptive exponential neuron (AdEx), which does as much: this one is asked for more. Simulators were asked
for it by their users and have it (nengo#530, norse#162, PymoNNtorch#25, PyNN#9); nengo closed its request for AdEx
(#900) as nobody had asked again in five years. And its published scheme has our step of 1 ms, where an exponential
needs steps ten times as short. AdEx with a scheme of its own would be a file of yours (docs/neurons.md).

E. M. Izhikevich, "Simple model of spiking neurons", IEEE Transactions on Neural Networks 14, 2003.
"""

from __future__ import annotations

from dataclasses import dataclass

from plastic.errors import PlasticError
from plastic.neurons.membrane import at_most
from plastic.neurons.neuron import AboutNeuron, Array, Constants, Neuron, State

PEAK = 30.0  # mV


@dataclass(frozen=True)
class Izhikevich(Neuron):
    """Izhikevich's simple model."""

    name = "izhikevich"
    about = AboutNeuron(
        title="Izhikevich's simple model of spiking neurons",
        equation="v' = 0.04 v² + 5 v + 140 − w + gain I\nw' = a (b v − w)\ns = Θ(v − 30 mV)\n"
        "v = c, w = w + d where s = 1;  u = θ (v − c)/(30 mV − c)",
        units={"a": "1/ms", "b": "1/ms", "c": "mV", "d": "mV/ms", "gain": "mV/ms per threshold"},
        defaults_source="a, b, c, d: regular spiking, as published; gain: ours",
        citation="""@article{izhikevich2003simple,
  title = {Simple model of spiking neurons},
  author = {Izhikevich, Eugene M.},
  journal = {IEEE Transactions on Neural Networks},
  volume = {14},
  number = {6},
  pages = {1569--1572},
  year = {2003}
}""",
    )

    a: float = 0.02
    b: float = 0.2
    c: float = -65.0
    d: float = 8.0
    gain: float = 20.0

    def __post_init__(self) -> None:
        if not self.c < PEAK:
            raise PlasticError(f"c of neuron 'izhikevich' is {self.c}; it must be below the peak, {PEAK} mV.")

    @property
    def state(self) -> dict[str, float]:
        return {"membrane": 0.0, "recovery": self.b * self.c}

    def integrate(self, state: State, drive: Array, constants: Constants) -> State:
        scale = (PEAK - self.c) / constants.threshold  # mV per threshold
        start, recovery = self.c + scale * state["membrane"], state["recovery"]
        pull = 140 - recovery + self.gain * drive
        half = start + 0.5 * (0.04 * start * start + 5 * start + pull)
        v = half + 0.5 * (0.04 * half * half + 5 * half + pull)
        pushed = self.b * at_most(v, PEAK) - recovery
        return {"membrane": (v - self.c) / scale, "recovery": recovery + self.a * pushed}

    def after_spike(self, state: State, spike: Array, constants: Constants) -> State:
        del constants
        return {
            "membrane": state["membrane"] * (1 - spike),
            "recovery": state["recovery"] + self.d * spike,
        }
