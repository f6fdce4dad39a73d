"""Neurons and modulatory circuit as Lava processes, in fixed and in floating point.

A stimulus of `time_steps` steps is followed by one learning step, in which the neurons, at rest, send
y1 = 64 + modulator and y3 = 64. In every other step y1 = 64, y2 = post factor, y3 = 0. Lava cannot
join or split ports, so a port that several processes feed is as long as all of them together; each
fills its own part, and Lava adds up what arrives.

Untagged modulators, which are known before the stimulus, are sent in all its steps, and the neurons send
y2 = 64 + 2 · level of modulator · post factor in every step, y1 = 64 and y3 = 0: weights change at once.
A circuit that is stepwise answers the spikes of every step within that step: the neurons send their spikes, wait
for their modulators, and then send y1 to y3. Where there is a tag, dw reads it as it was in the step before, so y1 has
the modulator of the step before, too; in floating point (weighted) y2 is modulator · post factor, for the tag.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.models import PyLearningDenseModelBitApproximate
from numpy.typing import NDArray

# as in plastic.hardware.program.spec: Lava imports this file under another name, too, from which nothing is relative
MODULATOR_OFFSET, CLEAR = 64, 64  # y1 = 64 + modulator; y3 in the learning step
UNTAGGED_LEVELS, UNTAGGED_SHIFT = 31, 9  # level = modulator · post factor >> 9


class Population(AbstractProcess):
    """Leaky integrate-and-fire neurons that send spikes, post factor and modulator.

    place, delivery: see parts; constants: see the models.
    """

    def __init__(self, *, place, delivery, constants, **others):
        super().__init__(place=place, delivery=delivery, constants=constants, **others)
        neurons = place.neurons
        self.a_in = InPort(shape=(neurons,))
        self.m_in = InPort(shape=(place.units,))
        self.s_out = OutPort(shape=(place.above,))
        self.c_out = OutPort(shape=(place.units,))
        self.y1_out, self.y2_out, self.y3_out = (OutPort(shape=(neurons,)) for _ in range(3))
        self.u = Var(shape=(neurons,), init=0)
        self.v = Var(shape=(neurons,), init=0)


class Modulation(AbstractProcess):
    """The modulatory circuit: counts spikes, and sends every neuron its modulator after the stimulus.

    circuit: an object whose `end(counts, arrived, fixation, target)` gives the modulators (1, units);
    fixation, target: (stimuli,) and (stimuli, classes); below: for each layer the part of x_in or s_in that
    arrives at it, as ("x" or "s", first, last). Of the delivery (see parts), untagged:
    `circuit.begin(fixation, target)` gives them before it; stepwise: `circuit.step(inputs, spikes)` gives them in every
    step; weighted: and `end` others after it.
    """

    def __init__(self, *, units, inputs, circuit, fixation, target, below, delivery, **others):
        super().__init__(
            units=units, inputs=inputs, circuit=circuit, fixation=fixation, target=target, below=below,
            delivery=delivery, **others,
        )  # fmt: skip
        time_steps, stepwise = delivery.time_steps, delivery.stepwise
        self.s_in = InPort(shape=(units,))
        self.x_in = InPort(shape=(inputs,))
        self.m_out = OutPort(shape=(units,))
        self.raster = Var(shape=(time_steps, units), init=0)
        self.modulator = Var(shape=(time_steps, units) if stepwise else (units,), init=0)


class _PopulationModel(PyLoihiProcessModel):
    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.place, self.delivery, self.constants = (proc_params[name] for name in ("place", "delivery", "constants"))
        self.last = np.zeros(self.place.neurons)  # modulators of the step before

    def run_spk(self):
        current, delivery = self.a_in.recv(), self.delivery
        phase = (self.time_step - 1) % (delivery.time_steps + 1)
        if phase == delivery.time_steps:
            self._conclude()
            return
        spike, post_factor = self._integrate(current)
        modulator, counted = self._exchange(spike), (phase + 1) % delivery.period == 0
        if not counted:
            post_factor = np.zeros_like(post_factor)
        if delivery.untagged:
            level = (modulator * post_factor + (1 << (UNTAGGED_SHIFT - 1))) >> UNTAGGED_SHIFT
            post_factor = MODULATOR_OFFSET + 2 * np.clip(level, -UNTAGGED_LEVELS, UNTAGGED_LEVELS)
        elif delivery.weighted:
            post_factor = modulator * post_factor
        elif delivery.stepwise:
            before, self.last = self.last, modulator if counted else np.zeros_like(modulator)
            self._send(before, post_factor, 0)
            return
        self._send(np.zeros_like(modulator), post_factor, 0)

    def _conclude(self):
        """The learning step."""
        self.u[:], self.v[:] = 0, 0
        modulator, nothing = self._exchange(np.zeros(self.place.neurons, bool)), np.zeros_like(self.v)
        if self.delivery.stepwise and not self.delivery.weighted:
            modulator, self.last = self.last, nothing
        if self.delivery.untagged:
            self._send(nothing, np.full_like(self.v, MODULATOR_OFFSET), 0)
        else:
            self._send(modulator, nothing, CLEAR)

    def _exchange(self, spike):
        """Send spikes, and wait for the modulators of the circuit."""
        place = self.place
        above, circuit = np.zeros(place.above, self.spikes), np.zeros(place.units, self.spikes)
        above[place.at : place.at + place.neurons] = spike
        circuit[place.first : place.first + place.neurons] = spike
        self.s_out.send(above)
        self.c_out.send(circuit)
        return self.m_in.recv()[place.first : place.first + place.neurons]

    def _send(self, modulator, post_factor, clear):
        self.y1_out.send((MODULATOR_OFFSET + modulator).astype(self.spikes))
        self.y2_out.send(post_factor.astype(self.spikes))
        self.y3_out.send(np.full(self.place.neurons, clear, self.spikes))


@implements(proc=Population, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedPopulation(_PopulationModel):
    """Integers; constants: (du, dv, threshold, post-factor table, its shift). u and v are those of Lava's LIF."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    m_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    c_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y3_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    u: NDArray[Any] = LavaPyType(np.ndarray, np.int32, precision=24)
    v: NDArray[Any] = LavaPyType(np.ndarray, np.int32, precision=24)
    spikes = np.int32

    def _integrate(self, current):
        du, dv, threshold, table, shift = self.constants
        limit = 2**23
        now = _shrunk(self.u, 4096 - (du + 1)) + (current.astype(np.int64) << 6)
        now = np.where(now > limit, now - 2 * limit, np.where(now <= -limit, now + 2 * limit, now))
        membrane = np.clip(_shrunk(self.v, 4096 - dv) + now, -limit + 1, limit - 1)
        distance = membrane - (threshold << 6)
        spike = distance > 0
        self.u[:], self.v[:] = now, np.where(spike, 0, membrane)
        return spike, table[np.minimum(np.abs(distance) >> shift, len(table) - 1)]


def _shrunk(value, by):
    """value · by / 4096, towards zero."""
    product = value.astype(np.int64) * by
    return np.sign(product) * (np.abs(product) >> 12)


@implements(proc=Population, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class FloatPopulation(_PopulationModel):
    """float64; constants: (membrane decay, threshold, post factor as a function of the distance to it)."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    m_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    c_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y3_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    u: NDArray[Any] = LavaPyType(np.ndarray, float)
    v: NDArray[Any] = LavaPyType(np.ndarray, float)
    spikes = float

    def _integrate(self, current):
        decay, threshold, post_factor = self.constants
        membrane = decay * self.v + current
        spike = membrane > threshold
        self.v[:] = np.where(spike, 0.0, membrane)
        return spike, post_factor(membrane - threshold)


class _ModulationModel(PyLoihiProcessModel):
    def __init__(self, proc_params):
        super().__init__(proc_params)
        for name in ("units", "circuit", "fixation", "target", "below", "delivery"):
            setattr(self, name, proc_params[name])
        self.arrived = np.zeros((1, len(self.below)), np.int64)
        self.afterwards = np.zeros(self.units)

    def run_spk(self):
        delivery = self.delivery
        stimulus, phase = divmod(self.time_step - 1, delivery.time_steps + 1)
        learning = phase == delivery.time_steps
        at = stimulus % len(self.fixation)
        now = self.fixation[at : at + 1], self.target[at : at + 1]
        if phase == 0:
            self.arrived[:] = 0
            if delivery.untagged or delivery.stepwise:
                self.afterwards = self.circuit.begin(*now)[0]
        if not delivery.stepwise:
            self._send(self.afterwards if learning != delivery.untagged else np.zeros(self.units))
        given = {"s": self.s_in.recv(), "x": self.x_in.recv()}
        if delivery.stepwise:
            self._send_in_step(given, phase, learning)
        if not learning:
            self._count(given, phase, now)

    def _send(self, modulator):
        self.m_out.send(modulator.astype(self.modulator.dtype))

    def _send_in_step(self, given, phase, learning):
        """What the circuit answers to the spikes of this very step."""
        if learning:
            self._send(self.afterwards if self.delivery.weighted else np.zeros(self.units))
        else:
            self.modulator[phase] = self.circuit.step(given["x"][None], given["s"][None])[0]
            self._send(self.modulator[phase])

    def _count(self, given, phase, now):
        """Spikes of a stimulus; after the last of its steps its modulators are known."""
        self.raster[phase] = given["s"]
        if phase < self.delivery.time_steps - 1:  # what is sent in the last step arrives too late
            for layer, (port, first, last) in enumerate(self.below):
                self.arrived[0, layer] += int(given[port][first:last].sum())
            return
        counts = np.rint(self.raster.sum(0)).astype(np.int64)[None]
        self.afterwards = self.circuit.end(counts, self.arrived, *now)[0]
        if not self.delivery.stepwise:
            self.modulator = self.afterwards.astype(self.modulator.dtype)


@implements(proc=Modulation, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedModulation(_ModulationModel):
    """Integers from −64 to 63 as modulators."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    x_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    m_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    raster: NDArray[Any] = LavaPyType(np.ndarray, np.int32)
    modulator: NDArray[Any] = LavaPyType(np.ndarray, np.int32)


@implements(proc=Modulation, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class FloatModulation(_ModulationModel):
    """float64."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    x_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    m_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    raster: NDArray[Any] = LavaPyType(np.ndarray, float)
    modulator: NDArray[Any] = LavaPyType(np.ndarray, float)


class _Half:
    """In place of a random stream: always one half, so that everything rounds to nearest."""

    random_trace_decay = 0.5
    random_impulse_addition = 128
    random_stochastic_round = 0.5

    def advance(self):
        pass


class RoundingLearningDense(PyLearningDenseModelBitApproximate):
    """Lava's fixed-point LearningDense where its rounding is chosen; arithmetic and order are Lava's.

    Parameters of the process: rounding, "stochastic" (Lava's own) or "nearest"; weight_bits, 8 (Lava's own)
    or fewer: then learned weights are multiples of 2^(8 − weight_bits).
    """

    def _init_randoms(self):
        super()._init_randoms()
        if self.proc_params["rounding"] == "nearest":
            self._x_random = self._y_random = self._conn_var_random = _Half()

    def _stochastic_round_synaptic_variable(self, syn_var_name, syn_var_values, random):
        lost = 8 - self.proc_params["weight_bits"] if syn_var_name == "weights" else 0
        step = 2 ** (7 + lost)
        whole = syn_var_values / step
        return ((np.floor(whole) + (random < whole % 1)) * step).astype(syn_var_values.dtype)

    def _saturate_synaptic_variable(self, syn_var_name, syn_var_val):
        value = super()._saturate_synaptic_variable(syn_var_name, syn_var_val)
        lost = 8 - self.proc_params["weight_bits"] if syn_var_name == "weights" else 0
        return (value >> lost) << lost
