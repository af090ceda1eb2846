"""A run's encoder, judged again."""

from __future__ import annotations

from ..data import open_data
from ..errors import RunError
from ..evaluate import Judge
from ..evaluate.judge import no_judgement
from ..spec import Knn, Linear
from ..train.device import choose_device
from .folder import find_run
from .trained import load_trained

__all__ = ["evaluate_run"]


def evaluate_run(name: str, k: int | None, temperature: float | None, device: str, linear: bool = False) -> str:
    """The accuracy of a run's encoder by kNN, and by a linear classifier where asked, a line of text each."""
    folder, where = find_run(name), choose_device(device)
    checked, module = load_trained(folder, None, where)
    spec = checked.graph.spec
    changes = {"k": k, "temperature": temperature}
    knn = (spec.evaluate.knn or Knn()).model_copy(update={n: v for n, v in changes.items() if v is not None})
    data = open_data(spec.data, where, spec.train.seed, spec.train.accumulate)
    if reason := no_judgement(data):
        raise RunError(f"'{folder.name}' cannot be evaluated: {reason}")
    size = checked.image_size(checked.features or "")
    probe = spec.evaluate.linear or (Linear() if linear else None)
    try:
        found = Judge(module, data, checked.data, size, spec.data.batch, where).accuracies(knn, probe)
    finally:
        data.close()
    accuracy = 100 * found["knn"]
    lines = [f"{folder.name}: kNN accuracy {accuracy:.2f} % (k {knn.k}, temperature {knn.temperature:g})"]
    if probe is not None:
        lines.append(f"{folder.name}: linear accuracy {100 * found['linear']:.2f} % (penalty {probe.penalty:g})")
    return "\n".join(lines)
