"""What a reproduction is about to run: checked as far as that can be done before anything is trained."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ...checks.checked import Checked, check
from ...data.counted import counted
from ...errors import GraphError, UsageError
from ...evaluation.registry import find_evaluation, measured_in_runs
from ...graph.read import load
from ..data import open_run_data, refuse_absent
from ..lacking import tell_lacks
from .ledger import recipe_of, results_of
from .read import Written, asking, asks_of_figures
from .spec import Reproduction

__all__ = ["Plan", "planned", "refuse_lacking", "script_of"]


@dataclass(frozen=True)
class Plan:
    """sets: all changes of the graph but the seed. checked: of the first seed; whole: with the evaluations that come
    after its training, too. recipe: see `recipe_of`.

    own: whether it is the file's own recipe: what `--set` changes does not change what is computed, and what is trained
    beside other code is.
    """

    written: Written
    seeds: tuple[int, ...]
    sets: tuple[str, ...]
    asked: tuple[str, ...]
    checked: Checked
    whole: Checked
    recipe: str
    own: bool
    beside: bool

    @property
    def spec(self) -> Reproduction:
        return self.written.spec

    def of_seed(self, seed: int) -> list[str]:
        """The changes of the graph for a seed."""
        return [*self.sets, f"train.seed={seed}"]

    def run(self, seed: int) -> str:
        """The name of a seed's run: another recipe has others."""
        return f"{self.written.name}-{self.recipe[:6]}-seed{seed}"


def planned(written: Written, seeds: Sequence[int], sets: Sequence[str], only: str | None) -> Plan:
    """Raises GraphError for what is wrong with the graph, UsageError for data or code that is not there, RunError for
    results that are damaged."""
    spec, seeds = written.spec, tuple(seeds or written.spec.seeds)
    if any(change.partition("=")[0].strip() == "train.seed" for change in sets):
        raise UsageError("train.seed is not changed by --set here: --seeds says which seeds there are")
    for change in sets:
        if (name := change.partition("=")[0].strip()) == "evaluate" or asks_of_figures(spec, name):
            raise UsageError(f"--set {name} would change what the figures of {written.name} are: its file says that")
    beside = spec.beside if only is None else None
    if beside is not None and any(not change.startswith("data.root=") for change in sets):
        raise UsageError(
            f"{written.name} is run by its own command beside {beside.name}, which takes no --set but data.root; "
            "with --only ours it takes others"
        )
    all_sets = (*spec.set, *_judged(spec), *sets)
    try:
        recipe = recipe_of(load(written.asked, [*spec.set, *sets]), spec)
        checked = check(written.asked, [*all_sets, seed := f"train.seed={seeds[0]}"])
        whole = checked if beside is not None else check(written.asked, [*spec.set, *_asked(spec), *sets, seed])
    except GraphError as error:
        raise GraphError(map(written.at_home, error.problems)) from None
    refuse_absent(checked.graph.spec.data)
    results_of(written)  # raises for what cannot be added to
    _refuse_unlabelled(written, checked)
    if beside is not None:
        _refuse_absent_code(written)
    own = recipe == recipe_of(written.graph, spec) and beside == spec.beside
    return Plan(written, seeds, all_sets, tuple(sets), checked, whole, recipe, own, beside is not None)


def _judged(spec: Reproduction) -> list[str]:
    """What makes the graph judge in its run what can be judged there; the online probe, nowhere else."""
    options = {metric.partition("/")[0]: figure.options for metric, figure in spec.figures.items()}
    return [asking(name, options[name]) for name in options if measured_in_runs(name)]


def _asked(spec: Reproduction) -> list[str]:
    """What makes the graph ask for all that is measured."""
    return list(dict.fromkeys(asking(m.partition("/")[0], figure.options) for m, figure in spec.figures.items()))


def refuse_lacking(plan: Plan, device: torch.device) -> None:
    """Raises GraphError for an evaluation that the data do not allow, also one that comes after the training; where
    `check` has not seen the pictures they are opened for it."""
    if plan.beside or counted(plan.whole.graph.spec.data) is not None:
        return
    data = open_run_data(plan.whole, device, _nobody)
    try:
        tell_lacks(plan.whole, data, _nobody, plan.whole.warnings, begins=True)
    except GraphError as error:
        raise GraphError(map(plan.written.at_home, error.problems)) from None
    finally:
        data.close()


def _nobody(line: str) -> None:
    """What the run says by itself."""


def _refuse_unlabelled(written: Written, checked: Checked) -> None:
    names = dict.fromkeys(metric.partition("/")[0] for metric in written.spec.figures)
    needing = [name for name in names if find_evaluation(name).needs_labels]
    if needing and checked.data.unlabelled:
        raise UsageError(f"{', '.join(needing)} needs labels, and the data of {written.name} have none")
    if checked.features is None:
        raise UsageError(f"the graph of {written.name} has nothing that gives features of images")


def script_of(written: Written) -> list[Path]:
    """The scripts of the other code's command, from the file's folder."""
    words = written.spec.beside.command if written.spec.beside else []
    return [written.file.resolve().parent / word for word in words if word.endswith(".py")]


def _refuse_absent_code(written: Written) -> None:
    beside = written.spec.beside
    assert beside is not None
    found = []
    if importlib.util.find_spec(beside.module.partition(".")[0]) is None:
        found.append(f"{beside.name} is not installed: `pip install {beside.module}`")
    if missing := [path for path in script_of(written) if not path.is_file()]:
        where = os.path.relpath(missing[0])
        found.append(f"there is no {where}: the command is that of a checkout of graphssl's repository")
    if found:
        raise UsageError(f"{written.name} is run beside {beside.name}: {'; '.join(found)}; `--only ours` runs ours")
