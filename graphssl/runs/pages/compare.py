"""The page of a comparison: several runs beside each other."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from ...errors import UsageError
from ...report.page import Section, element, page, table
from ...track import Comparison
from .curves import curve_section
from .differing import differing
from .embedding import Progress, feature_sections, features_for
from .entries import Entry, entries_of
from .graphs import graph_section
from .results import ranked, results
from .subject import Subject, beside, subjects_of
from .views import view_section
from .words import several
from .writing import check_page, write_page

__all__ = ["compare_page", "made_by", "notes_of", "run_section"]


def compare_page(
    names: Sequence[str], output: Path, *, features: bool = True, device: str = "auto", progress: Progress | None = None
) -> Comparison:  # fmt: skip
    """Writes the page of runs by their names, folders, or names and ids in MLflow; what `graphssl compare` says of
    them. features: whether they are made, for what of the page is about them. progress: of `gathered`."""
    if len(names) < 2:
        raise UsageError("it takes two runs or more to compare")
    check_page(output)
    subjects = subjects_of(names)
    entries, found = ranked(entries_of(subjects)), beside(subjects)
    made = features_for(entries, features, device, progress)
    sections = [
        results(entries, found),
        differing(entries),
        curve_section(entries),
        graph_section(entries),
        view_section(entries, made.views if made is not None else {}),
        *feature_sections(entries, made),
        run_section(subjects),
    ]
    subtitle = f"{len(subjects)} runs: {several([one.name for one in subjects], 12)}"
    words = " ".join(map(shlex.quote, names[:12])) + (" ..." if len(names) > 12 else "")
    command = made_by(f"graphssl compare {words} -o {shlex.quote(str(output))}")
    text = page(_title(entries), subtitle, notes_of(subjects), sections, command)
    tracked = next((one for one in subjects if one.mlflow is not None), subjects[0])
    write_page(output, text, tracked.name, tracked.mlflow)
    return found


def _title(entries: Sequence[Entry]) -> str:
    names = [entry.name.removesuffix(f" ({len(entry.runs)} seeds)") for entry in entries]
    return f"{len(names)} graphs compared" if len(names) > 3 else f"{', '.join(names[:-1])} and {names[-1]}"


def made_by(command: str) -> list[str]:
    """By which command, of which version."""
    return [
        "Made by ",
        element("code", command),
        f", graphssl {version('graphssl')}. It asks for nothing from a network.",
    ]


def notes_of(subjects: Sequence[Subject]) -> Iterator[str]:
    """What a reader should know of the runs first."""
    for state in dict.fromkeys(one.state for one in subjects):
        of = [one.name for one in subjects if one.state == state]
        if state != "finished":
            yield f"Not finished, but {state}: {several(of)}. Figures are those so far."
    by_reason: dict[str, list[str]] = {}
    for one in subjects:
        for reason in one.lacks:
            by_reason.setdefault(reason, []).append(one.name)
    for reason, of in by_reason.items():
        yield f"{several(of)}: {reason}."


def run_section(subjects: Sequence[Subject]) -> Section:
    """Where each run is."""
    rows = [
        [
            one.name, one.found.params.get("graph", "-"), one.seed, one.state,
            "-" if one.folder is None else str(one.folder.path), one.mlflow or "-",
        ]
        for one in subjects
    ]  # fmt: skip
    return Section(
        "runs", "Runs", [table(["run", "graph", "seed", "state", "folder", "in MLflow"], rows, "runs", seen=False)]
    )
