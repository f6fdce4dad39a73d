"""What a layer of an exported Brian2 script knows over many stimuli: slow traces or batch statistics, and a memory.

The numpy text does what plastic.models.learning.statistics and plastic.models.learning.memory do in torch.
"""

from __future__ import annotations

from string import Template

from plastic.models.settings import Settings
from plastic.rules.rule import Rule
from plastic.rules.statistics import Moments

SLOW_TRACES = Template('''

DECAY, PAIRS = $decay, $pairs  # of slow traces per stimulus; covariances and what is between them
TRACES = {}


def slow_traces(number, z, c, weight):
    """Slow debiased traces of mean, variance and covariance of z and (c_…) of c in one layer (West 1979)."""
    old, new = TRACES.get(number, defaultdict(float)), weight.sum()
    kept = DECAY * old["weight"]
    state = {"weight": kept + new, "squares": DECAY**2 * old["squares"] + new}
    total = state["weight"] or 1.0
    count = total**2 / state["squares"] if state["squares"] else 0.0
    spread = total * (1 - 1 / max(count, 1 + 1e-9))
    known = {"count": np.array([[count]]), "c_count": np.array([[count]])}
    within, off = {}, {}
    for key, x in (("", z), ("c_", c)):
        fresh = (weight * x).sum(0, keepdims=True) / max(new, 1)
        within[key], off[key] = weight * (x - fresh), fresh - old[f"{key}mean"]
        state[f"{key}mean"] = known[f"{key}mean"] = fresh - off[key] * (1 - new / total)
        scatter = (within[key] ** 2).sum(0, keepdims=True) + off[key] ** 2 * (kept * new / total)
        state[f"{key}scatter"] = DECAY * old[f"{key}scatter"] + scatter
        known[f"{key}variance"] = state[f"{key}scatter"] / spread
    for name, one, other in PAIRS:
        scatter = within[one].T @ within[other] + off[one].T @ off[other] * (kept * new / total)
        state[name] = DECAY * old[name] + scatter
        known[name] = state[name] / spread
    TRACES[number] = defaultdict(float, state)
    return known
''')

BATCH_STATISTICS = Template('''

PAIRS = $pairs  # covariances and what is between them


def batch_statistics(z, c, weight):
    """Mean, variance and covariance over the streams of z and (c_…) of c in one layer."""
    count = weight.sum()
    known, within = {"count": np.array([[count]]), "c_count": np.array([[count]])}, {}
    for key, x in (("", z), ("c_", c)):
        known[f"{key}mean"] = (weight * x).sum(0, keepdims=True) / max(count, 1)
        within[key] = weight * (x - known[f"{key}mean"])
        known[f"{key}variance"] = (within[key] ** 2).sum(0, keepdims=True) / max(count - 1, 1)
    return known | {name: within[one].T @ within[other] / max(count - 1, 1) for name, one, other in PAIRS}
''')

MEMORY = Template('''

SLOTS_OF_MEMORY, MEMORY = $slots, {}


def remember(number, c, leaves):
    """The last responses to the objects that saccades left: (streams, slots, units), and which slots are filled."""
    nothing = np.zeros((STREAMS, SLOTS_OF_MEMORY, c.shape[1])), np.zeros((STREAMS, SLOTS_OF_MEMORY))
    memory = MEMORY.get(number, nothing)
    pushed = np.concatenate([c[:, None], memory[0][:, :-1]], axis=1)
    filled = np.concatenate([np.ones((STREAMS, 1)), memory[1][:, :-1]], axis=1)
    MEMORY[number] = np.where(leaves[..., None], pushed, memory[0]), np.where(leaves, filled, memory[1])
    return dict(zip(("memory", "remembered"), MEMORY[number]))
''')


def recall_functions(settings: Settings) -> list[str]:
    """Functions for what a layer knows beyond this stimulus and the one before."""
    asked, parts = settings.rule.averages or Moments(), []
    pairs = [("covariance", "", ""), ("c_covariance", "c_", "c_")] if asked.covariance else []
    pairs += [("cross_covariance", "", "c_")] if asked.cross else []
    shown = str(pairs).replace("'", '"')
    if settings.rule.reads_statistics and settings.statistics_decay is not None:
        parts.append(SLOW_TRACES.substitute(decay=settings.statistics_decay, pairs=shown))
    elif settings.rule.reads_statistics:
        parts.append(BATCH_STATISTICS.substitute(pairs=shown))
    if settings.rule.memory_slots:
        parts.append(MEMORY.substitute(slots=settings.rule.memory_slots))
    return parts


def recall(rule: Rule, index: int, slow: bool) -> list[str]:
    """Statements that compute them for one layer, before its third factor."""
    here, lines = f"z[{index}], context[{index}]", []
    if rule.averages is not None:
        counted = "(y > 0)" if rule.averages.over == "fixations" else "np.ones_like(y)"
        if slow:
            lines.append(f"known = slow_traces({index}, {here}, {counted} * (stimulus > 0.0))")
        else:
            lines.append(f"known = batch_statistics({here}, {counted} * 1.0)")
    if rule.memory_slots:
        lines += [] if lines else ["known = {}"]
        lines.append(f"known |= remember({index}, context[{index}], (y < 0) & (stimulus > 0))")
    return lines
