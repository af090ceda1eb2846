"""The command that looks at pictures before anything trains on them, and what it prints."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import put
from ..errors import escaped
from .arguments import Changeable, NoCode, Sets
from .outputs import app

if TYPE_CHECKING:
    from ..data.survey import Survey

__all__ = ["app", "survey_text"]

NAMED = 10


@app.command(cls=Changeable)
def data(
    source: Annotated[str, typer.Argument(help="A folder, a list (.txt, .csv), shards, a saved dataset, or a graph.")],
    sets: Sets = None,
    everything: Annotated[bool, typer.Option("--all", help="Look at every picture.")] = False,
    samples: Annotated[int, typer.Option("-n", min=1, help="Pictures to look at, spread evenly.")] = 2000,
    no_code: NoCode = False,
) -> None:
    """Look at pictures: how many, sizes, channels, classes, mean and std; and the `data:` section to paste."""
    from .. import api
    from .counting import Counting

    with closing(Counting("pictures read")) as counting:
        found = api.survey(source, sets or [], most=None if everything else samples, progress=counting)
    put(survey_text(found))


def survey_text(found: Survey) -> str:
    """A survey in words, and last the section to paste."""
    from ..data.survey import proposal
    from ..graph.language.dump import dump
    from .table import table

    rows = [["pictures", f"{found.train:,} to train on, {found.held_out:,} held out"], *_rows(found)]
    bad = [f"  {escaped(name)}: {escaped(why)}" for name, why in list(found.unreadable.items())[:NAMED]]
    more = [f"  and {len(found.unreadable) - NAMED:,} more"] if len(found.unreadable) > NAMED else []
    section = dump({"data": proposal(found)}).rstrip()
    return "\n".join([table(rows), *bad, *more, "", section, *_offered(found)])


def _offered(found: Survey) -> Iterator[str]:
    """Lines of the section that somebody may want."""
    rotated = sum(n for number, n in found.orientations.items() if number != 1)
    if rotated and found.data.orientation == "ignore":
        which = "picture is" if rotated == 1 else "pictures are"
        yield f"  # orientation: apply   # {rotated:,} {which} rotated by their EXIF"


def _rows(found: Survey) -> Iterator[list[str]]:
    part = f"{found.looked:,} of them, spread evenly; --all looks at every one"
    yield from (["note", note] for note in found.notes)
    yield ["looked at", "all of them" if found.looked == found.train else part]
    if found.sizes:
        yield ["sizes", _sizes(found)]
        yield ["channels", _kinds(found)]
    yield ["classes", _classes(found)]
    yield ["orientation", _orientations(found)]
    yield ["unreadable", f"{len(found.unreadable):,}" if found.unreadable else "none"]
    if found.statistics is not None:
        for name, values in zip(("mean", "std"), found.statistics, strict=True):
            yield [name, f"{', '.join(f'{value:.4f}' for value in values)} (the largest value is 1)"]
        yield ["memory", f"{found.bytes / 1e9:,.2f} GB for the training pictures, decoded"]


def _sizes(found: Survey) -> str:
    ordered = sorted(found.sizes, key=lambda size: size[0] * size[1])
    three = zip(("smallest", "median", "largest"), (ordered[0], ordered[len(ordered) // 2], ordered[-1]), strict=True)
    words = ", ".join(f"{name} {h} x {w}" for name, (h, w) in three)
    aspects = [w / h for h, w in ordered]
    spread = f"{min(aspects):.2f} to {max(aspects):.2f}, median {statistics.median(aspects):.2f}"
    return f"{words} (height x width); width over height {spread}"


def _kinds(found: Survey) -> str:
    parts = [f"{n:,} of {kind.channels} x {kind.dtype}" for kind, n in found.kinds.most_common()]
    form = found.form
    if len(parts) == 1 and found.kinds.most_common(1)[0][0] == (form.channels, form.dtype):
        return f"{form.channels} x {form.dtype}"
    words = (
        f"{f'all but {len(found.refused):,}' if found.refused else 'all'} are made RGB bytes"
        if form.converts
        else f"those of {form.channels} x {form.dtype} are taken, others are bad"
    )
    return f"{', '.join(parts)}: {words}"


def _classes(found: Survey) -> str:
    if not found.classes:
        return "none"
    least, most = (pick(found.classes, key=lambda name: found.classes[name]) for pick in (min, max))
    few, many = found.classes[least], found.classes[most]
    if not many:
        return f"{len(found.classes):,}, of held-out pictures; those to train on have no labels"
    if few == many:
        return f"{len(found.classes):,}, {'each of ' if len(found.classes) > 1 else ''}{few:,} pictures"
    spread = f"from {few:,} pictures ('{least}') to {many:,} ('{most}')"
    return f"{len(found.classes):,}, {spread}"


def _orientations(found: Survey) -> str:
    if set(found.orientations) <= {1}:
        return "all are stored upright"
    counts = ", ".join(f"{n:,} with {number}" for number, n in sorted(found.orientations.items()))
    return f"EXIF: {counts} (1 is upright); `orientation: apply` turns them"
