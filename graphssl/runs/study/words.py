"""What is said of a study: before it runs, while it does, of each run that has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...errors import escaped
from ...evaluation.registry import metric_title, score_text
from .book import Trial
from .cells import Cell
from .cost import Forecast
from .metric import Metric
from .plan import Plan

__all__ = ["duration", "ended_text", "labels_text", "plan_lines", "standing_text"]

GIB = 2**30
MOST = 20  # cells of a kind that are listed


def labels_text(labels: Mapping[str, str]) -> str:
    """`nodes.critic.temperature 0.1, nodes.critic.use critic.cosine`."""
    return ", ".join(f"{key} {label}" for key, label in labels.items())


def duration(seconds: float) -> str:
    """`41 s`, `12 min`, `3.1 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


def plan_lines(plan: Plan, done: int, jobs: int, forecast: Forecast | None) -> Iterator[str]:
    """What is about to run, what is not, and why; what it takes."""
    spec, cells = plan.asked.spec, plan.cells
    compared = metric_title(plan.metric.name, quantity=True)
    yield f"study {plan.asked.name}: {_counted(plan)}, cells compared by {compared}"
    if cells is not None:
        refused = [f"{labels_text(one.labels)}: {'; '.join(one.reasons)}" for one in cells.invalid]
        yield from _listed(f"{len(refused)} cannot run:", refused)
        equal = [f"{labels_text(labels)}: as {labels_text(cell.labels)}" for labels, cell in cells.equal]
        yield from _listed(f"{len(equal)} compute what another does, and run once:", equal)
        if cells.left_out:
            yield f"  {cells.left_out} left out by the conditions"
        yield from _listed("warnings:", _warnings(cells.cells))
    if done:
        yield f"  {done} of {plan.runs} runs are done"
    if done < plan.runs and forecast is not None:
        yield f"  {_cost(plan, plan.runs - done, jobs, forecast)}"
    if spec.prune and not plan.metric.in_runs:
        yield f"  nothing is pruned: {plan.metric.name} is measured after the runs"


def _warnings(cells: Sequence[Cell]) -> list[str]:
    """What the cells' graphs are warned of, each once, with those that it is said of where it is not of all."""
    said: dict[str, list[Cell]] = {}
    for cell in cells:
        for one in dict.fromkeys(f"{w.message} [{w.code}]" for w in cell.checked.warnings):
            said.setdefault(one, []).append(cell)
    return [
        text
        if len(of) == len(cells)
        else f"{text}: {'; '.join(labels_text(cell.labels) for cell in of[:3])}"
        + f" and {len(of) - 3} more" * (len(of) > 3)
        for text, of in said.items()
    ]


def _counted(plan: Plan) -> str:
    spec, seeds = plan.asked.spec, len(plan.seeds)
    what = f"{plan.trials} cell{'s' * (plan.trials != 1)}"
    what += "" if plan.cells is not None else f" by {spec.sampler}"
    return f"{what}, {seeds} seed{'s' * (seeds > 1)}, {plan.runs} run{'s' * (plan.runs != 1)}"


def _listed(head: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"  {head}"
        yield from (f"    {escaped(line)}" for line in lines[:MOST])
        if len(lines) > MOST:
            yield f"    and {len(lines) - MOST} more"


def _cost(plan: Plan, left: int, jobs: int, forecast: Forecast) -> str:
    """By a measured step; evaluations and the reading of pictures come on top."""
    known = [seconds for seconds in forecast.seconds.values() if seconds is not None]
    size = f"{forecast.memory / GIB:.1f} GiB a run" if forecast.memory >= GIB / 10 else "less than 0.1 GiB a run"
    at_once = f"{jobs} at once" if jobs > 1 else "one after another"
    runs = f"{left} run{'s' * (left != 1)}, {at_once}"
    if len(known) < len(forecast.seconds) or not known:
        return f"{runs}; {size} for the step; how long is not known before the data are read"
    total = sum(known) / len(known) * left
    return f"{runs}: steps of about {duration(total)} in all by a measured one, evaluations beside; {size} for the step"


def ended_text(trial: Trial, labels: Mapping[str, str], metric: Metric, done: int, runs: int) -> str:
    """A line of a run that has ended."""
    how = f"{trial.state}: {trial.why}" if trial.value is None else score_text(metric.name, trial.value)
    said = ", ".join(filter(None, (labels_text(labels), f"seed {trial.seed}")))
    return escaped(f"[{done}/{runs}] {said}: {how}")


def standing_text(done: int, running: int, runs: int, left: float | None, best: str | None) -> str:
    """The line of a study that runs."""
    parts = [f"{done} of {runs} runs done", f"{running} running"]
    parts += [f"best so far {best}"] * (best is not None)
    parts += [] if left is None else [f"about {duration(left)} left"]
    return escaped(", ".join(parts))
