"""What came of runs: the closing words of one, its encoder judged again, and several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..data import Datasets, open_data
from ..errors import RunError, UsageError
from ..evaluate import Judge
from ..spec import Knn, Linear
from ..track import Comparison, compare
from ..train.device import choose_device
from ..train.loop import Outcome
from .folder import RunFolder, find_run
from .trained import trained

__all__ = ["Result", "compared", "evaluated", "no_judgement", "summary"]


@dataclass(frozen=True)
class Result:
    """A run that came to an end: its folder, how the training went, its id in MLflow, and what to warn of."""

    folder: RunFolder
    outcome: Outcome
    run_id: str | None
    warnings: tuple[str, ...]

    @property
    def interrupted(self) -> bool:
        return self.outcome.interrupted


def no_judgement(data: Datasets) -> str | None:
    """Why features cannot be judged on a data set."""
    if not data.classes:
        return "the data set has no labels; pictures in a folder for each class have them"
    return None if data.held_out else "the data set has no held-out pictures"


def summary(result: Result) -> str:
    """The closing lines: what came of it, where it is, and how to see it."""
    outcome = result.outcome
    lines = []
    if outcome.interrupted:
        lines.append(f"interrupted after step {outcome.step}; a checkpoint is written")
        lines.append(f"  go on      graphssl run --resume {result.folder.name}")
    else:
        lines.append(f"finished after step {outcome.step}, loss {outcome.loss:.4f}")
    for name, found in (("kNN", outcome.knn), ("linear", outcome.linear)):
        if len(found) > 1:
            first, last = found[min(found)], found[max(found)]
            lines.append(f"  {name:10} {100 * first:.2f} % untrained, {100 * last:.2f} % trained")
    lines.append(f"  speed      {outcome.images_per_second:,.0f} images/s")
    lines.append(f"  run        {result.folder.path}" + (f" (MLflow {result.run_id})" if result.run_id else ""))
    lines.append("  see it     graphssl ui")
    lines += [f"warning: {w}" for w in result.warnings]
    return "\n".join(lines)


def evaluated(name: str, k: int | None, temperature: float | None, device: str, linear: bool = False) -> str:
    """The accuracy of a run's encoder by kNN, and by a linear classifier where asked, a line of text each."""
    folder, where = find_run(name), choose_device(device)
    checked, module = trained(folder, None, where)
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


def compared(names: Sequence[str]) -> Comparison:
    """Runs side by side, each by its name under `runs/`, or by its name or id in MLflow."""
    if len(names) < 2:
        raise UsageError("it takes two runs or more to compare")
    return compare([_tracked(name) for name in names])


def _tracked(name: str) -> str:
    try:
        return find_run(name).facts().get("mlflow") or name
    except RunError:
        return name
