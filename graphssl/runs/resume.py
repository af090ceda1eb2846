"""What a run that goes on may have otherwise than before: held against its checkpoint, and said."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..checks.checked import Checked, check
from ..checks.weights.wanted import pin
from ..code import Code
from ..errors import RunError, UsageError, ran_out
from ..graph.changes import Change, described, differences, own_places, stretched
from ..graph.graph import Graph
from ..graph.read import load
from ..graph.spec import Train
from ..train.rates import rate_at
from .folder import RunFolder
from .portable import component_files

__all__ = ["SPANS", "Resumed", "asked_again", "changes_since", "fitting", "header_of", "length", "resumed", "unlike"]

MAY = "where data and code lie, how they are read, what is written how often, how it is judged, and how long it is"
SPANS = ("train.epochs", "train.steps")


@dataclass(frozen=True)
class Resumed:
    """A run's graph as it goes on, and in what that differs from its checkpoint's."""

    checked: Checked
    changes: tuple[Change, ...] = ()
    trained: Train | None = None  # as the checkpoint has it

    def lines(self, step: int, per_epoch: int) -> Iterator[str]:
        """What to say of it. step: from which the run goes on."""
        yield from map(str, self.changes)
        graph, trained = self.checked.graph, self.trained
        if trained is None or not any(change.key in SPANS for change in self.changes):
            return
        if not (keys := stretched(graph)):
            yield "no schedule spans the whole training: the steps done are those of a run of this length"
            return
        was, now = (_rate(train, step, per_epoch) for train in (trained, graph.spec.train))
        moved = "train.schedule" in keys and f"{now:.3g}" != f"{was:.3g}"
        rate = f"; the learning rate is {now:.3g} now, and was to be {was:.3g}" if moved else ""
        yield f"schedules are stretched over {length(graph.spec.train, per_epoch)} steps: {', '.join(keys)}{rate}"


def _rate(train: Train, step: int, per_epoch: int) -> float:
    return train.optimizer.lr * rate_at(train.schedule, step, length(train, per_epoch), per_epoch)


def length(train: Train, per_epoch: int) -> int:
    """Optimizer steps of the whole training."""
    return train.steps or train.epochs * per_epoch


def resumed(folder: RunFolder, sets: Sequence[str], payload: Mapping[str, Any] | None) -> Resumed:
    """The graph of a run with changes, on none of which its checkpoint depends. Raises UsageError for others."""
    checked = check(folder.graph, sets, weights=payload is None, evaluations=False)  # a checkpoint has weights
    if payload is None:
        return Resumed(checked)
    before = _before(folder, payload)
    changes = _changes(folder, before, checked.graph)
    train = checked.graph.spec.train
    if train.steps is not None and any(change.partition("=")[0] == "train.epochs" for change in sets):
        raise UsageError(f"train.steps: {train.steps} ends this run, whatever train.epochs says: change that")
    return Resumed(checked, changes, Train.model_validate(before["train"]))


def changes_since(
    folder: RunFolder, payload: Mapping[str, Any], graph: Graph, also: Sequence[str] = ()
) -> tuple[Change, ...]:
    """In what a graph differs from that of a checkpoint. Raises UsageError where the checkpoint depends on it.

    also: keys that may change where nothing is trained.
    """
    return _changes(folder, _before(folder, payload), graph, also)


def _changes(
    folder: RunFolder, before: Mapping[str, Any], graph: Graph, also: Sequence[str] = ()
) -> tuple[Change, ...]:
    changes = tuple(change for change in differences(before, described(graph)) if change.key not in also)
    _refuse(folder, changes, graph)
    return changes


def _before(folder: RunFolder, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The graph of a checkpoint, described; an early one knows just its hash."""
    before: Mapping[str, Any] | None = payload.get("graph")
    if before is not None:
        return before
    graph = load(folder.graph)
    if payload["graph_hash"] != graph.hash():
        raise RunError(
            f"the checkpoint of '{folder.name}' was made by another graph than {folder.graph} is now; "
            "a changed graph is a new run: leave --resume out"
        )
    return described(graph)


def _refuse(folder: RunFolder, changes: Sequence[Change], graph: Graph) -> None:
    places = own_places(graph)
    lines = [f"\n  {change}" for change in changes if not (change.free or change.key in places)]
    if lines:
        raise UsageError(
            f"the weights of '{folder.name}' depend on settings that are different now:{''.join(lines)}\n"
            f"  to train with other settings, start a new run (another --name). What may change afterwards: {MAY}"
        )


def asked_again(folder: RunFolder, asked: Checked) -> list[str]:
    """The changes, as of `--set`, that make a run's graph the one that is asked for again by `--resume auto`.

    Where code lies stays as the run has it. Raises UsageError for what its weights depend on.
    """
    before, graph = load(folder.graph), pin(asked.graph, asked.weights)
    if graph.asks_for_batch:
        graph = graph.with_batch(before.spec.data.batch)
    changes = _changes(folder, described(before), graph)
    return [change.override for change in changes if change.key not in ("graph", "description", "components")]


@contextlib.contextmanager
def fitting(folder: RunFolder) -> Iterator[None]:
    """Meanwhile what goes wrong, but for want of memory, is that a checkpoint does not fit the graph of its run."""
    try:
        yield
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        if ran_out(error):
            raise
        raise RunError(f"the checkpoint of '{folder.name}' does not fit its graph any more: {error}") from error


# -- beside the graph ----------------------------------------------------------------------------------------------


def header_of(graph: Graph, computed: str) -> dict[str, Any]:
    """What a checkpoint says of what made it. computed: in which precision, and where."""
    return {"graph_hash": graph.hash(), "graph": described(graph), "code": _code(graph), "computed": computed}


def unlike(payload: Mapping[str, Any], graph: Graph, computed: str) -> Iterator[str]:
    """What to warn of where a run goes on in another precision, on another kind of device, or with other code."""
    if (before := payload.get("computed", computed)) != computed:
        yield f"computed in {computed} from here on, in {before} before"
    digests = payload.get("code", {})
    changed = [name for name, digest in _code(graph).items() if digests.get(name, digest) != digest]
    if changed:
        yield f"{', '.join(changed)}: not what it was when the checkpoint was written; the run goes on with it as it is"


def _code(graph: Graph) -> dict[str, str]:
    """The user's files that a graph names, by their names, with a digest of each that is there."""
    named = (value for node in graph.nodes.values() for _, value in node.config if isinstance(value, Code))
    files = [*component_files(graph), *(value.file for value in named if value.file)]
    found = {}
    for file in files:
        with contextlib.suppress(OSError):
            found[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found
