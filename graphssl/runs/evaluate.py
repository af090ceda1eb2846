"""A run's encoder, judged again."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

import torch

from ..checks.checked import Checked, validated
from ..data import Datasets, open_data
from ..errors import RunError
from ..evaluation.figures import Figures
from ..evaluation.judge import Judged
from ..evaluation.registry import Evaluation
from ..graph import spec
from ..graph.graph import Graph
from ..graph.read import load
from ..train.device import choose_device
from ..train.failures import enough_memory
from ..train.loop import LESS
from .data import change_since, refuse_absent
from .figures import Record, deliver_figures, keep, recorded, show_new
from .folder import RunFolder, find_run
from .judging import judge_of, probe_of
from .lacking import possible
from .other_data import other_data
from .probed import of_what_was_probed, without_another_s
from .protocols import Options, as_changes, evaluations_of, refuse_twice
from .recipes import read_asked
from .trained import Trained, load_trained

if TYPE_CHECKING:
    import pandas

__all__ = ["Evaluated", "evaluate_run"]

log = logging.getLogger(__name__)

V = TypeVar("V")


@dataclass(frozen=True)
class Evaluated:
    """What the evaluations of a run's encoder measured, by metric; the evaluations, by name; how it was judged.

    intervals: of 95 %, by metric. figures: with what else stands beside the numbers, by what they are called in MLflow,
    `knn`, and of other options or data than the graph's `knn k 5 on pets`. folder: the run's. on: what other data are
    called.
    """

    run: str
    scores: Mapping[str, float]
    evaluations: Mapping[str, Evaluation]
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Figures] = field(default_factory=dict)
    folder: str = ""
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    on: str | None = None

    def frame(self) -> pandas.DataFrame:
        """A row for each metric: its value, and the ends of its 95 % interval where it has one."""
        import pandas

        rows = {name: (value, *self.intervals.get(name, (None, None))) for name, value in self.scores.items()}
        return pandas.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"], dtype=float)

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.run)}</p>{self.frame().to_html(na_rep='')}"


def evaluate_run(
    name: str, options: Options, device: str, sets: Sequence[str] = (), *, protocols: Sequence[str] = (),
    data: str | None = None,
) -> Evaluated:  # fmt: skip
    """Judges a run's encoder, keeps what comes of it in the run's folder, and adds it to the run in MLflow.

    options: by an evaluation's name, where they differ from the graph's; `{"linear": {}}` asks for it as it is there,
    or by default. protocols: the evaluations that are run; default: the graph's, those that graphs have by default, and
    those with options. sets: changes of the graph, also of these evaluations' options. data: other data, as
    `other_data` takes them. Raises UsageError for an evaluation that is not there, RunError for data without labels.
    """
    asked = read_asked(protocols, data)
    protocols, changes = asked.protocols, [*asked.changes, *as_changes(sets, asked.protocols)]
    refuse_twice(changes, options)
    folder, where = find_run(name, changes), choose_device(device)
    own, named = load(RunFolder(folder.path).graph), (*options, *protocols)
    folder, unprobed = of_what_was_probed(folder, own, named)
    trained = load_trained(folder, None, where)
    section = trained.checked.graph.spec
    evaluations = evaluations_of(section.evaluate, options, protocols)
    on, chosen = (None, section.data) if asked.data is None else other_data(asked.data, section.data)
    needed = any(kind.needs_data for kind in evaluations.values())
    with _opened(folder, trained, chosen, where, on) if needed else nullcontext(cast(Datasets, _NoData())) as opened:
        evaluations, notes = possible(evaluations, trained.checked, opened, asked=bool(named), run=folder.name, on=on)
        evaluations, more = without_another_s(evaluations, own, trained, opened, folder.name, asked=bool(named))
        judge = judge_of(
            trained.checked, trained.program, opened, evaluations, where, on=on, section=chosen if needed else None,
            otherwise={name: asked.otherwise(kind, name, own.spec.evaluate) for name, kind in evaluations.items()},
            plain=_judged_first(own, trained.checked),
        )  # fmt: skip
        probe_of(judge, opened, where, trained.header.get("probe", {}), lambda _: None)
        with enough_memory("in the evaluation", LESS):
            found = judge.judge()
    left = "mlflow" in own.spec.track
    measured = recorded(judge, trained.header["step"], on or chosen.use, f"fp32 on {where.type}", left=left)
    if "tensorboard" in own.spec.track:
        show_new(folder, measured, partial(log.warning, "%s"))
    _keep(folder, measured)
    return Evaluated(
        folder.name, _called(found, lambda figures: figures.scores), evaluations, (*notes, *more, *unprobed),
        {label: judged.figures for label, judged in found.items()}, str(folder.path),
        _called(found, lambda figures: figures.intervals), on,
    )  # fmt: skip


def _called(found: Mapping[str, Judged], of: Callable[[Figures], Mapping[str, V]]) -> dict[str, V]:
    """By metric, as who has asked for it calls it."""
    return {
        judged.called + metric.removeprefix(label): value
        for label, judged in found.items()
        for metric, value in of(judged.figures).items()
    }


class _NoData:
    """In the place of data that nobody looks at, and which may not be here."""

    counts = None


@contextmanager
def _opened(
    folder: RunFolder, trained: Trained, data: spec.Data, device: torch.device, on: str | None
) -> Iterator[Datasets]:
    """Meanwhile the data. on: what other data are called."""
    train = trained.checked.graph.spec.train
    refuse_absent(data)
    opened = open_data(data, device, train.seed, train.accumulate if on is None else 1)
    try:
        if on is None and (change := change_since(trained.header, opened, partial(log.warning, "%s"))):
            log.warning("warning: the data set has changed since the checkpoint of '%s': %s", folder.name, change)
        if (overlap := opened.overlap()) is not None:
            log.warning("warning: %s", overlap)
        yield opened
    finally:
        opened.close()


def _judged_first(own: Graph, checked: Checked) -> str:
    """What the run's own graph judges first: figures of it need not say that they are."""
    named = own.spec.evaluate.named
    if named[:1] == checked.graph.spec.evaluate.named[:1]:
        return checked.judged[0]
    return next(iter(named or validated(own).judged), checked.judged[0])


def _keep(folder: RunFolder, found: Sequence[Record]) -> None:
    """In the run's folder and in MLflow; where that does not take it, it is said how it gets there."""
    keep(folder, found)
    try:
        deliver_figures(folder)
    except RunError as error:
        log.warning(
            "warning: the figures could not be delivered to MLflow (%s); they are kept in %s and delivered by "
            "`graphssl track %s`, or with the next evaluation", error, folder.path / "evaluations", folder.called,
        )  # fmt: skip
