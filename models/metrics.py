"""What is measured of every layer while it learns."""

from __future__ import annotations

from torch import Tensor

from plastic import collapse
from plastic.models.learning import Observation, Watch


def layer_metrics(into: dict[str, list[float | None]]) -> Watch:
    """A watch that collects, layer by layer, loss, fraction of open gates, mean activity, and whether
    the layer collapses: variance and effective rank of its responses, fraction of dead neurons."""

    def watch(index: int, seen: Observation) -> None:
        del index
        gate = seen.third.current.gate
        opened = (gate != 0).double().mean().item() if isinstance(gate, Tensor) else float(gate != 0)
        loss = seen.third.loss
        into.setdefault("loss", []).append(None if loss is None else loss.mean().item())
        into.setdefault("open_gates", []).append(opened)
        activity = seen.response.activity.flatten(2)
        into.setdefault("activity", []).append(activity.mean().item())
        if activity.isfinite().all():
            into.setdefault("variance", []).append(collapse.variance(activity).mean().item())
            into.setdefault("effective_rank", []).append(collapse.effective_rank(activity).mean().item())
            into.setdefault("dead_fraction", []).append(collapse.dead_fraction(activity).mean().item())

    return watch
