"""The text of an exported Brian2 script, in parts; `$name` is filled in by plastic.models.export.brian2.script."""

from string import Template

HEAD = Template('''r"""$title, in Brian2.

    $equation

Repeats the run $run, which plastic $version made on the backend $backend, without plastic: from the same
initial weights and input spikes ($data) come the same spikes and weights. At the end it prints how far its
weights are from those of the run, relative to how far they moved there; status 1 where that exceeds $tolerance.

    python $script    all $stimuli stimuli
    python $script $some --save spikes.npz    the first $some, and all their spikes and weights to a file

Needs brian2 and numpy.
$citation"""

import argparse
import sys
${imports}from pathlib import Path

import numpy as np
from brian2 import Clock, Network, NetworkOperation, NeuronGroup, SpikeGeneratorGroup, SpikeMonitor, Synapses, ms

STIMULI, STREAMS, STEPS = $stimuli, $streams, $steps  # steps of 1 ms per stimulus; the streams' updates are summed
LEARNING_RATE, WEIGHT_BOUND, TOLERANCE = $learning_rate, $weight_bound, $tolerance
CONSTANTS = {$constants}
LAYERS = [  # positions, neurons at each, inputs of each: its own patch of the layer below
$layers
]

data = np.load(Path(__file__).with_name("$data"))
FIXATION, LABELS = data["fixation"], data["labels"]  # of every stimulus and stream
weights = {name.removeprefix("initial/"): data[name] for name in data.files if name.startswith("initial/")}


# --- the rule: modulator m_i of every neuron when a stimulus ends --------------------------------------------------
# z: spikes per step (streams, units), c: the same of the stimulus before, y: +1 fixation, -1 saccade (streams, 1)
''')

THIRD_FACTOR = Template('''

def $name($arguments):
    """m$before_too, and for the circuit's own weights (modulator, post, pre) of their three-factor updates."""
$lines    return $modulator, $before, {$learned}
''')

NEURONS = Template('''

# --- neurons and synapses ------------------------------------------------------------------------------------------

# spikes arrive one step after they were emitted
SCHEDULE = $schedule

NEURON = """
$neuron
"""
POST_FACTOR = """
$post_factor
"""  # every step, before the reset
RESET = """
$reset
"""
SYNAPSE = """
$synapse
"""
ON_PRE = {
$on_pre
}
SLOTS = $slots
ELIGIBILITY = """
$eligibility
"""  # every step


class Layer:
    """The neurons of one layer and the synapses onto them, for every stream; it begins each stimulus at rest."""

    def __init__(self, below, positions, neurons, fan_in, clock):
        patches = STREAMS * positions
        self.shape = (STREAMS, positions, neurons, fan_in)
        here = {"clock": clock, "namespace": CONSTANTS}
        self.neurons = NeuronGroup(
            patches * neurons, NEURON, threshold="$threshold", reset=RESET, method="exact", **here
        )
        self.neurons.run_regularly(POST_FACTOR, clock=clock, when="before_thresholds")
        self.synapses = Synapses(below, self.neurons, SYNAPSE, on_pre=ON_PRE, method="exact", **here)
        for pathway, slot in SLOTS.items():
            getattr(self.synapses, pathway).when = slot
        patch, neuron, source = np.indices((patches, neurons, fan_in)).reshape(3, -1)
        self.synapses.connect(i=patch * fan_in + source, j=patch * neurons + neuron)
        self.synapses.run_regularly(ELIGIBILITY, clock=clock, when="before_resets")
        at_rest = {self.neurons: "$neuron_at_rest", self.synapses: "$synapse_at_rest"}
        for group, code in at_rest.items():
            group.run_regularly(code, dt=STEPS * ms, when="after_synapses")
        self.context = np.zeros_like(self.seen())
        self.eligibility_before = None

    def activity(self):
        """z, spikes per step: (streams, positions, neurons)."""
        return np.array(self.neurons.count[:]).reshape(self.shape[:3]) / STEPS

    def seen(self):
        """z as the rule sees it: $summary."""
        return $summarised
$post_factor_method
    def routed(self, m):
        """m of every neuron: (streams, positions, neurons)."""
        return $routed

    def eligibility(self):
        """e_ij: (streams, positions, neurons, inputs)."""
        return np.array(self.synapses.eligibility[:]).reshape(self.shape)

    def update(self, m, m_before):
        """Sum of m_i e_ij over the streams$sum_before."""
        update = np.einsum("bpn,bpnk->pnk", self.routed(m), self.eligibility())
$update_before        return $shared_sum

    def hold(self):
        """Keep this stimulus for the next one."""
        self.context = self.seen()
$hold_before
    def write(self, weight):
        """The weights to all synapses; positions that share theirs hold copies."""
        self.synapses.w = np.broadcast_to(weight, self.shape).ravel()
''')

POST_FACTOR_METHOD = '''
    def post_factor(self):
        """Mean psi over the stimulus: (streams, positions, neurons)."""
        return np.array(self.neurons.post_sum[:]).reshape(self.shape[:3]) / STEPS
'''

INPUT_ACTIVITY_METHOD = '''
    def input_activity(self):
        """Spikes that arrived, per step and input: (streams, 1)."""
        arrivals = np.array(self.neurons.arrivals[:]).reshape(STREAMS, -1)
        return arrivals.mean(1)[:, None] / (STEPS * self.shape[3])
'''

ADAM = """

ADAM = {}  # running mean and mean square of every weight's updates


def change(name, update):
    \"\"\"One step of Adam (Kingma & Ba 2015) along the update.\"\"\"
    count, mean, square = ADAM.get(name, (0, 0, 0))
    ADAM[name] = count, mean, square = count + 1, 0.9 * mean + 0.1 * update, 0.999 * square + 0.001 * update**2
    step = mean / (1 - 0.9**count) / (np.sqrt(square / (1 - 0.999**count)) + 1e-8)
    weights[name] = np.clip(weights[name] + LEARNING_RATE * step, -WEIGHT_BOUND, WEIGHT_BOUND)
"""

SGD = """

def change(name, update):
    \"\"\"W += learning rate * update, within the bounds.\"\"\"
    weights[name] = np.clip(weights[name] + LEARNING_RATE * update, -WEIGHT_BOUND, WEIGHT_BOUND)
"""

ERROR = """

def output_error(z, target):
    \"\"\"softmax(W_out z) - target: (streams, classes).\"\"\"
    output = z @ weights["readout.weight"].T
    exponential = np.exp(output - output.max(1, keepdims=True))
    return exponential / exponential.sum(1, keepdims=True) - target
"""

SENT_DOWN = """

def sent_down(weight, signal):
    \"\"\"Σ_i W_ij signal_i, patch by patch: (..., positions, neurons) to (..., units below).\"\"\"
    return (signal[..., None, :] @ weight).reshape(*signal.shape[:-2], -1)
"""

LEARN = Template('''

def learn(layers, stimulus):
    """When a stimulus ends: the third factors of all layers, from the top down, then all weights change."""
$signals$factors
    for number, (layer, (m, m_before, learned)) in enumerate(zip(layers, factors), 1):
$change_weight        for name, (modulator, post, pre) in learned.items():
            change(f"layer{number}.{name}", (modulator * post).T @ pre)
$change_readout    for number, layer in enumerate(layers, 1):
        layer.hold()
        layer.write(weights[f"layer{number}.weight"])
''')

MAIN = '''

def input_spikes(stimuli):
    """Indices (stream by stream) and times of all input spikes."""
    size = STREAMS * int(data["inputs"])
    packed = data["spikes"][: stimuli * STEPS]
    time, index = np.nonzero(np.unpackbits(packed, axis=1, count=size))
    return size, index, time * ms


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("stimuli", nargs="?", type=int, default=STIMULI)
    parser.add_argument("--save", help="npz file for the spikes (neuron, step) of each layer and the weights")
    chosen = parser.parse_args()
    if not 0 < chosen.stimuli <= STIMULI:
        parser.error(f"there are {STIMULI} stimuli")
    clock = Clock(dt=1 * ms)
    inputs = below = SpikeGeneratorGroup(*input_spikes(chosen.stimuli), clock=clock)
    network, layers, monitors = Network(inputs), [], []
    for number, shape in enumerate(LAYERS, 1):
        layer = Layer(below, *shape, clock)
        layer.write(weights[f"layer{number}.weight"])
        layers.append(layer)
        monitors.append(SpikeMonitor(layer.neurons))
        network.add(layer.neurons, layer.synapses)
        below = layer.neurons
    if chosen.save:
        network.add(monitors)

    def end_of_step():
        stimulus, step = divmod(round(float(clock.t / ms)), STEPS)
        if step == STEPS - 1:
            learn(layers, stimulus)

    network.add(NetworkOperation(end_of_step, clock=clock, when="end"))
    network.schedule = SCHEDULE
    network.run(chosen.stimuli * STEPS * ms, report="text")
    if chosen.save:
        shown = {f"layer{n}.{k}": v for n, m in enumerate(monitors, 1) for k, v in steps_of(m).items()}
        np.savez_compressed(chosen.save, **shown, **{f"weights/{k}": v for k, v in weights.items()})
    return compare() if chosen.stimuli == STIMULI else 0


def steps_of(monitor):
    return {"neuron": np.array(monitor.i), "step": np.round(monitor.t / ms).astype(int)}


def compare():
    """Status 0 if all weights are those of the run."""
    worst = 0.0
    for name, weight in weights.items():
        initial, final = data[f"initial/{name}"], data[f"final/{name}"]
        moved = np.abs(final - initial).max()
        error = np.abs(weight - final).max() / (moved or np.abs(initial).max())
        worst = np.maximum(worst, error)  # nan if one is
        print(f"{name}: moved by up to {moved:.3g}, differs from the run by {error:.1e} of that")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
'''
