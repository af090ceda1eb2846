"""Reads tracked runs back: one by its name or id, and several side by side."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..errors import RunError, UsageError, suggest
from ..graph.language import yaml
from .client import NOT_THERE, asked, check_database, open_client, reason, store_uri
from .grouped import grouped_all, short
from .names import flatten

if TYPE_CHECKING:
    import pandas

LOOKED_AT = 1000  # runs, when a name is looked for

# Tags of a run that name, with commas between, the evaluations of whose metrics more, or less, is better, or single
# metrics of theirs.
MORE_IS_BETTER, LESS_IS_BETTER = "graphssl.more_is_better", "graphssl.less_is_better"
PARAMS = "graphssl.params"  # of a study's run: its parameters are those that vary, and its graph is an artifact
CHANGED = "graphssl.changed."  # tags: a parameter's value since a run went on with another
# Words of a metric's name that say it, also where no tag does.
MORE_WORDS = {"knn", "linear", "logistic", "retrieval", "clusters", "accuracy", "top1", "top5", "probe", "mi"}
LESS_WORDS = {"loss"}


@dataclass(frozen=True)
class FoundRun:
    """A run as MLflow has it. metrics: the last values, by the names that people use, `knn`; keys: what they are called
    in the store. started: ms since 1970."""

    run_id: str
    name: str
    experiment_id: str
    params: dict[str, str] = field(repr=False)
    metrics: dict[str, float]
    tags: dict[str, str] = field(repr=False)
    status: str
    started: int
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class MetricRow:
    """One metric of all runs, None where a run has none. best: the highest of an accuracy, the lowest of a loss;
    of other metrics, which have no better end, None."""

    name: str
    last: tuple[float | None, ...]
    best: tuple[float | None, ...]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side. params: those that differ, by name; None where a run has no such parameter."""

    runs: tuple[FoundRun, ...]
    params: dict[str, tuple[str | None, ...]]
    metrics: tuple[MetricRow, ...]

    def frame(self) -> pandas.DataFrame:
        """A row for each run: in which parameters they differ, and the last of each metric."""
        import pandas

        columns = {**self.params, **{row.name: row.last for row in self.metrics}}
        return pandas.DataFrame(columns, index=pandas.Index([run.name for run in self.runs], name="run"))

    def _repr_html_(self) -> str:
        return str(self.frame().T.to_html())


def find_run(name_or_id: str, uri: str | None = None) -> FoundRun:
    """The run of that id, or the latest of that name, in any experiment. Raises RunError, with a suggestion."""
    return _find(_open(uri), name_or_id)


def compare(runs: Sequence[str], uri: str | None = None) -> Comparison:
    """Compares runs given by name or id. Raises UsageError for one that is not there, or is named twice."""
    store = _open(uri)
    found = tuple(_find(store, run) for run in runs)
    for i, run in enumerate(found):
        if run.run_id in [other.run_id for other in found[:i]]:  # by id: a metric that is NaN equals nothing
            raise UsageError(f"the run '{run.name}' is named twice")
    return compared(found, lambda run, name: [m.value for m in store.get_metric_history(run.run_id, run.keys[name])])


def compared(found: tuple[FoundRun, ...], history: Callable[[FoundRun, str], Sequence[float]]) -> Comparison:
    """Runs side by side, wherever they were found. history: all values of one of a run's metrics, by its name."""
    rows = {name: tuple(_value(run, name) for run in found) for name in _in_order([run.params for run in found])}
    metrics = dict.fromkeys(name for run in found for name in run.metrics)
    return Comparison(
        found,
        {name: row for name, row in rows.items() if len(set(row)) > 1},
        tuple(_metric_row(history, name, found) for name in metrics),
    )


def curves(run: FoundRun, uri: str | None = None) -> dict[str, list[tuple[int, float]]]:
    """Every point, the step and the value, of a run's metrics by the names that people use."""
    store = _open(uri)
    each = {said: asked(partial(store.get_metric_history, run.run_id, key)) for said, key in run.keys.items()}
    return {said: [(point.step, point.value) for point in points] for said, points in each.items()}


def _value(run: FoundRun, name: str) -> str | None:
    """A section that is there and empty is as good as none."""
    value = run.params.get(name)
    return None if value == "{}" else value


def _in_order(runs: Sequence[Mapping[str, str]]) -> list[str]:
    """All names, each after the last one that has most of its dotted beginning in common with it."""
    names = list(runs[0])
    for name in [name for run in runs[1:] for name in run]:
        if name not in names:
            shared = [_shared(name, other) for other in names]
            names.insert(len(names) - shared[::-1].index(max(shared)) if names else 0, name)
    return names


def _shared(a: str, b: str) -> int:
    """How many dotted parts two names begin with alike."""
    pairs = zip(a.split("."), b.split("."), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _metric_row(
    history: Callable[[FoundRun, str], Sequence[float]], name: str, runs: Sequence[FoundRun]
) -> MetricRow:  # fmt: skip
    best = tuple(_best(history, name, run) if name in run.metrics else None for run in runs)
    return MetricRow(name, tuple(run.metrics.get(name) for run in runs), best)


def _best(history: Callable[[FoundRun, str], Sequence[float]], name: str, run: FoundRun) -> float | None:
    """The best of all finite values."""
    more = more_is_better(name, run.tags)
    if more is None:
        return None
    return (max if more else min)((v for v in history(run, name) if math.isfinite(v)), default=None)


def more_is_better(name: str, tags: Mapping[str, str]) -> bool | None:
    """Whether more is better, None where neither end is: by the evaluation that measures it, else by its name."""
    first = re.split("[/. ]", name, maxsplit=1)[0]  # also of other options or data: `knn k 5/top5`
    for tag, more in ((MORE_IS_BETTER, True), (LESS_IS_BETTER, False)):
        if {first, f"{first}/{name.partition('/')[2]}"} & set(tags.get(tag, "").split(",")):
            return more
    words = set(re.split("[/._ ]", name.lower()))
    return True if MORE_WORDS & words else False if LESS_WORDS & words else None


def _open(uri: str | None) -> Any:
    where = store_uri(uri)
    check_database(where, write=False)
    try:
        store = open_client(where)
        store.search_experiments(max_results=1)
    except Exception as error:  # MLflow's own, SQLAlchemy's, those of the network
        raise RunError(f"the MLflow store cannot be read: {reason(error)}") from error
    return store


def _find(store: Any, name: str) -> FoundRun:
    run = _by_id(store, name)
    if run is None:
        runs = _recent(store)
        run = next((r for r in runs if r.info.run_name == name), None)
    if run is None:
        known = list(dict.fromkeys(r.info.run_name for r in runs if r.info.run_name))
        hint = suggest(name, known, "runs are").text or ("there are many" if known else "the store has no runs yet")
        raise UsageError(f"MLflow has no run called '{name}': {hint}")
    return _found(store, run)


def _by_id(store: Any, run_id: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        run = store.get_run(run_id)
    except MlflowException as error:
        if error.error_code in NOT_THERE:
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


def _recent(store: Any) -> list[Any]:
    """Runs of all experiments, the latest first."""
    experiments = [e.experiment_id for e in store.search_experiments()]
    order = ["attributes.start_time DESC"]
    return list(store.search_runs(experiments, order_by=order, max_results=LOOKED_AT)) if experiments else []


def _found(store: Any, run: Any) -> FoundRun:
    info, data = run.info, run.data
    changed = {tag.removeprefix(CHANGED): value for tag, value in data.tags.items() if tag.startswith(CHANGED)}
    keys = {short(full): name for name, full in grouped_all(data.metrics).items()}
    metrics = {said: data.metrics[name] for said, name in keys.items()}
    params = {**_params(store, run), **changed}
    return FoundRun(
        info.run_id, info.run_name or "", info.experiment_id, params, metrics, dict(data.tags), info.status,
        info.start_time, keys,
    )  # fmt: skip


def _params(store: Any, run: Any) -> dict[str, str]:
    """A run's graph by dotted keys; of a study's run, which has what varies alone, as the artifact has it."""
    own = dict(run.data.params)
    if PARAMS not in run.data.tags:
        return own
    try:
        with TemporaryDirectory() as aside:
            text = Path(store.download_artifacts(run.info.run_id, "graph.yaml", aside)).read_text(encoding="utf-8")
        whole = yaml.mapping_in(text)
    except Exception:  # it is not there, or the store's artifacts are out of reach: what varies is known
        return own
    return {**flatten({key: value for key, value in whole.items() if key != "track"}), **own}
