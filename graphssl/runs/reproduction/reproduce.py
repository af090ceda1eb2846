"""Runs a figure's whole recipe: pretraining of each seed, evaluation, and the ledger's entry."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ...checks.checked import check
from ...errors import RunError
from ...evaluation.registry import Evaluation
from ...evaluation.spread import Spread
from ...program.cost import hours_text
from ...track.machine import system_facts
from ...train.device import choose_device
from ..evaluate import evaluate_run
from ..figures import records
from ..folder import RunFolder
from ..protocols import evaluations_of
from ..results import Result
from ..session import start_run
from .beside import run_beside
from .forecast import arithmetic
from .ledger import Entry, Results, keep_results, results_of, spreads_of
from .plan import Plan, planned, refuse_lacking
from .read import Written, read
from .spec import Figure
from .spent import Spent

__all__ = ["Reproduced", "machine", "reproduce_figure"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Reproduced:
    """What came of it: of the seeds that were asked for. kept: the ledger's file, None where it is not for that.

    seeds, beside: ours and the other code's, by seed. code: the exit code of a run that was stopped, else 0.
    """

    written: Written
    seeds: Mapping[str, Entry]
    beside: Mapping[str, Entry] = field(default_factory=dict)
    kept: Path | None = None
    code: int = 0

    @property
    def spreads(self) -> dict[str, Spread]:
        """Ours of each figure, in its unit: mean, deviation, interval."""
        return spreads_of(self.written.spec, self.seeds)

    @property
    def published(self) -> dict[str, float]:
        """What was published of each figure, in its unit."""
        return {m: f.published.value for m, f in self.written.spec.figures.items() if f.published is not None}


def reproduce_figure(
    name: str, seeds: Sequence[int], device: str, sets: Sequence[str], only: str | None, report: Say, warn: Say
) -> Reproduced:
    """Everything is checked first; then each seed is run or gone on with, evaluated and written into the ledger.

    Raises GraphError, UsageError and RunError as `run` and `evaluate` do.
    """
    written = read(name)
    where = choose_device(device)
    plan = planned(written, seeds, sets, only)
    refuse_lacking(plan, where)
    for warning in plan.checked.warnings:
        warn(written.at_home(warning).render())
    _introduce(plan, where, report)
    if plan.beside:
        sides = run_beside(plan, where, _facts(plan))
        ours, theirs = ({f"{seed}": entry for seed, entry in side.items()} for side in sides)
        return Reproduced(written, ours, theirs, _kept(plan, ours, theirs, report))
    done: dict[str, Entry] = {}
    kept = None
    for seed in plan.seeds:
        report(f"{written.name}, seed {seed}: run {plan.run(seed)}")
        result, seconds = _trained(plan, seed, where, report)
        if result.interrupted:
            return Reproduced(written, done, kept=kept, code=result.code)
        done[f"{seed}"] = _entry(plan, seed, result, seconds, where)
        kept = _kept(plan, {f"{seed}": done[f"{seed}"]}, {}, report if seed == plan.seeds[-1] else None)
    return Reproduced(written, done, kept=kept)


def _introduce(plan: Plan, device: torch.device, report: Say) -> None:
    """What is about to be run, and what it costs."""
    spec, count = plan.spec, len(plan.seeds)
    report(f"{plan.written.name}: {spec.title}")
    cost = arithmetic(plan.checked)
    if cost is not None:
        each = f"{cost.steps:,} steps, {cost.flops:.2g} FLOP"
        whole = f"{count} seeds, each {each}" if count > 1 else f"one seed, {each}"
        report(f"{whole}; {hours_text(count * cost.flops)} of a GPU that does 100 TFLOP/s, for the pretraining")
    if spec.needs == "gpu" and device.type == "cpu":
        report("warning: this figure needs a GPU; on a CPU it may take weeks")


def _trained(plan: Plan, seed: int, device: torch.device, report: Say) -> tuple[Result, float | None]:
    """A seed's run, begun or gone on with; and how long it took, all starts together."""
    checked, spent = check(plan.written.asked, plan.of_seed(seed)), Spent(plan.run(seed))
    with spent.counting():
        result = start_run(checked, device, plan.run(seed), report, resume="auto", sets=plan.of_seed(seed))
    if not result.interrupted:
        spent.end()
    return result, None if spent.seconds is None else round(spent.seconds, 1)


def _entry(plan: Plan, seed: int, result: Result, seconds: float | None, device: torch.device) -> Entry:
    """What a finished run gives, each figure in its unit."""
    scores = {
        metric: figure.scale * _score(metric, figure, result, device) for metric, figure in plan.spec.figures.items()
    }
    before = results_of(plan.written) if plan.own and seconds is None else None
    if before is not None and before.recipe == plan.recipe and f"{seed}" in before.seeds:
        seconds = before.seeds[f"{seed}"].seconds
    return Entry(scores=scores, seconds=seconds, run=result.folder.name, **_facts(plan))


def _score(metric: str, figure: Figure, result: Result, device: torch.device) -> float:
    name = metric.partition("/")[0]
    if figure.epoch == "best":
        learnt = {epoch: value for epoch, value in result.outcome.scores.get(metric, {}).items() if epoch > 0}
        if not learnt:
            raise _not_given(metric, result, result.outcome.scores)
        return max(learnt.values())
    found = _measured(name, figure, result)
    if found is None:
        found = evaluate_run(str(result.folder.path), {name: figure.options}, str(device), protocols=[name]).scores
    if metric not in found:
        raise _not_given(metric, result, found)
    return found[metric]


def _not_given(metric: str, result: Result, found: Iterable[str]) -> RunError:
    """Of a number that these data do not have, `knn/top5` of five classes, or that was left out."""
    name = metric.partition("/")[0]
    given = ", ".join(other for other in found if other.partition("/")[0] == name) or f"nothing of {name}"
    return RunError(f"'{result.folder.name}' has no figure '{metric}': what was measured on these data is {given}")


def _measured(name: str, figure: Figure, result: Result) -> Mapping[str, float] | None:
    """What the run has measured at its end, or was evaluated to since, with the same options; None for nothing."""
    from ...graph.read import load

    folder = RunFolder(result.folder.path)
    section = load(folder.graph).spec.evaluate
    (wanted,) = evaluations_of(section, {name: figure.options}, [name]).values()
    for record in records(folder):
        same = (record.evaluation, record.step, record.settings) == (name, result.outcome.step, _settings(wanted))
        if same and " on " not in record.label and " of " not in record.label:
            return {name + metric.removeprefix(record.label): value for metric, value in record.scores.items()}
    return None


def _settings(evaluation: Evaluation) -> dict[str, object]:
    return evaluation.config.model_dump(mode="json", by_alias=True, exclude=set(evaluation.when))


# -- the ledger's ---------------------------------------------------------------------------------------------


def _facts(plan: Plan) -> dict[str, str]:
    """When, where and how."""
    return {"date": datetime.date.today().isoformat(), "machine": machine(), "command": _command(plan)}


def machine() -> str:
    """Processor, cores, GPU if one is used, torch, Python."""
    facts = system_facts()
    parts = [facts.get("system.cpu", ""), f"{facts.get('system.cpu_cores', '?')} cores", facts.get("system.gpu", "")]
    parts += [
        f"torch {torch.__version__}",
        f"{torch.get_num_threads()} thread(s)",
        f"Python {platform.python_version()}",
    ]
    return ", ".join(filter(None, parts))


def _command(plan: Plan) -> str:
    """As it was called; folders of this machine by their names."""
    words = [] if plan.seeds == tuple(plan.spec.seeds) else [f"--seeds {','.join(map(str, plan.seeds))}"]
    words += [f"--set {shlex.quote(_short(change))}" for change in plan.asked]
    words += ["--only ours"] if plan.spec.beside and not plan.beside else []
    name = plan.written.name if plan.written.packaged else plan.written.file.name
    return " ".join([f"graphssl reproduce {shlex.quote(name)}", *words])


def _short(change: str) -> str:
    key, _, value = change.partition("=")
    return f"{key}={Path(value).name}" if os.path.isabs(value) else change


def _kept(plan: Plan, ours: Mapping[str, Entry], theirs: Mapping[str, Entry], report: Say | None) -> Path | None:
    """Adds them to the ledger, where they are of the file's own recipe."""
    if not plan.own:
        if report is not None:
            alone = plan.spec.beside is not None and not plan.beside
            why = "its figures are those beside other code" if alone else "--set changes what is computed"
            report(f"the ledger stays as it is: {why}")
        return None
    before = results_of(plan.written)
    if before is None or before.recipe != plan.recipe:
        before = Results(recipe=plan.recipe, forecast=arithmetic(plan.checked))
    seeds, beside = {**before.seeds, **ours}, {**before.beside, **theirs}
    ordered = {
        key: dict(sorted(found.items(), key=lambda i: int(i[0])))
        for key, found in (("seeds", seeds), ("beside", beside))
    }
    return keep_results(plan.written, before.model_copy(update=ordered))
