"""A network of Lava processes, and a run of it stimulus by stimulus."""

from __future__ import annotations

import itertools

import numpy as np
from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense, LearningDense
from lava.proc.io.source import RingBuffer
from lava.utils.weightutils import SignMode

from .parts import ChipResponse, Place, limit
from .processes.models import Modulation, Population, RoundingLearningDense

STREAMS = 4  # seeds that one projection takes
STAYS = 2**60  # time constant of y1, y2, y3, which the neurons send anew in every step: exp(−1/2^60) is 1


class LavaNetwork:
    """Processes for all layers, joined; `run` yields what each stimulus did.

    stimuli: spikes (stimuli, time, inputs) of 0 and 1, fixation and target; circuit, fixation, target: see Modulation;
    precision: "fixed_pt" or "floating_pt".
    """

    def __init__(self, layers, circuit, stimuli, delivery, *, precision="fixed_pt", rounding="stochastic"):
        spikes, fixation, target = stimuli
        self.stimuli, self.time_steps, inputs = spikes.shape
        self.layers, self.delivery = layers, delivery
        self.config = Loihi2SimCfg(select_tag=precision, exception_proc_model_map=_models(precision))
        sizes = [la.weight.shape[0] * la.weight.shape[1] for la in layers]
        units, starts = sum(sizes), np.cumsum([0, *sizes])
        below = [("x", 0, inputs)] + [("s", int(a), int(b)) for a, b in itertools.pairwise(starts[:-1])]
        self.modulation = Modulation(
            units=units, inputs=inputs, circuit=circuit, fixation=fixation, target=target, below=below,
            delivery=delivery,
        )  # fmt: skip
        silent = np.zeros((self.stimuli, 1, inputs), np.int32)
        stream = np.concatenate([spikes, silent], axis=1).reshape(-1, inputs).T.astype(np.int32)
        self._keep = [RingBuffer(data=stream)]
        self._keep[0].s_out.connect(self.modulation.x_in)
        self.synapses, populations = [], []
        for index, layer in enumerate(layers):
            own = [self._position(index, p, units, int(starts[index]), rounding) for p in range(len(layer.weight))]
            for p, (synapses, _) in enumerate(own):
                for source in self._below(index, p, stream, populations):
                    source.s_out.connect(synapses.s_in)
            self.synapses.append([synapses for synapses, _ in own])
            populations.append([population for _, population in own])

    def _position(self, index, position, units, first, rounding):
        """Synapses and neurons of one position, joined."""
        layer = self.layers[index]
        _, neurons, _ = layer.weight.shape
        above = self.layers[index + 1].weight.shape[2] if index + 1 < len(self.layers) else neurons
        synapses = _synapses(layer, position, rounding)
        place = Place(neurons, above, position * neurons % above, units, first + position * neurons)
        population = Population(place=place, delivery=self.delivery, constants=layer.constants)
        self._join(synapses, population)
        return synapses, population

    def _below(self, index, position, stream, populations):
        """What a position reads: its part of the input, or the positions of its patch in the layer below."""
        fan_in = self.layers[index].weight.shape[2]
        if index == 0:
            source = RingBuffer(data=stream[position * fan_in : (position + 1) * fan_in])
            self._keep.append(source)
            return [source]
        under = populations[-1]
        per_patch = fan_in // under[0].proc_params["place"].neurons
        return under[position * per_patch : (position + 1) * per_patch]

    def _join(self, synapses, population):
        synapses.a_out.connect(population.a_in)
        self.modulation.m_out.connect(population.m_in)
        population.c_out.connect(self.modulation.s_in)
        if isinstance(synapses, LearningDense):
            population.y1_out.connect(synapses.s_in_y1)
            population.y2_out.connect(synapses.s_in_y2)
            population.y3_out.connect(synapses.s_in_y3)

    def run(self, tags=False, weights_every=1, timeout=None):
        """Run all stimuli. `weights_every` n: read tags and weights of every n-th stimulus, 0: of the last one.

        timeout: seconds that one stimulus may take; TimeoutError after them (a port that hangs, hangs a run).
        """
        try:
            for stimulus in range(self.stimuli):
                last = stimulus == self.stimuli - 1
                read = last or (weights_every > 0 and (stimulus + 1) % weights_every == 0)
                with limit(timeout):
                    yield self._stimulus(tags and read, read, last)
        finally:
            self._stop()

    def _stimulus(self, tags, weights, last):
        last_tags = []
        if tags:
            self._advance(self.time_steps)
            last_tags = self._read("tag_1")
            self._advance(1)
        else:
            self._advance(self.time_steps + 1)
        response = ChipResponse(self.modulation.raster.get(), self.modulation.modulator.get(), last_tags)
        if weights:
            response.weights = self._read("weights")
        if not last:
            for synapses in (one for layer in self.synapses for one in layer if isinstance(one, LearningDense)):
                synapses.x1.set(np.zeros(synapses.x1.shape))  # presynaptic traces return to rest
        return response

    def _advance(self, steps):
        self.modulation.run(condition=RunSteps(num_steps=steps), run_cfg=self.config)

    def _read(self, name):
        return [np.stack([_variable(one, name) for one in layer]) for layer in self.synapses]

    def _stop(self):
        """Stop Lava's runtime; where it hangs, end its processes."""
        runtime = self.modulation.runtime
        if runtime is None:
            return
        try:
            with limit(20):
                self.modulation.stop()
        except TimeoutError:
            for actor in runtime._messaging_infrastructure.actors:
                actor.terminate()


def _variable(synapses, name):
    """Of the tags of synapses that do not learn: zeros."""
    if name == "tag_1" and not isinstance(synapses, LearningDense):
        return np.zeros(synapses.weights.shape, np.int32)
    return getattr(synapses, name).get()


def _synapses(layer, position, rounding):
    given = {"weights": layer.weight[position], "weight_exp": layer.weight_exp, "num_weight_bits": layer.weight_bits}
    if not layer.rule:
        return Dense(**given, sign_mode=SignMode.MIXED)
    rule = Loihi3FLearningRule(**layer.rule, t_epoch=1, rng_seed=layer.seed + STREAMS * position)
    # Lava's 65535, rounded at random, would make 63 of 64 (no modulator) in one step of 1000, and so move weights
    rule.y1_tau = rule.y2_tau = rule.y3_tau = STAYS
    return LearningDense(**given, weight_bits=layer.weight_bits, rounding=rounding, learning_rule=rule)


def _models(precision):
    return {LearningDense: RoundingLearningDense} if precision == "fixed_pt" else {}
