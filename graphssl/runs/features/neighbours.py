"""The pictures that are nearest to others by the cosine of their features: found, and drawn."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ...errors import UsageError
from ...files import replacing, special, writing
from ...report import Card, Row, gallery
from .embed import embedder_of
from .given import Given, Images
from .reading import LeftOut, Progress
from .table import check_folder
from .thumbnail import thumbnail

__all__ = ["Neighbour", "Neighbours", "Query", "find_neighbours"]

QUERY = "Mend it, or ask with another picture: only pictures that are looked through are left out"
FORMS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


@dataclass(frozen=True)
class Neighbour:
    """A picture that was found: its name, the class that its folder says, its place among those that were looked
    through, and the cosine of its features with the query's, -1 to 1."""

    name: str
    label: str | None
    place: int
    similarity: float


@dataclass(frozen=True)
class Query:
    """A picture that was looked for, and the nearest ones, the nearest first."""

    name: str
    label: str | None
    nearest: tuple[Neighbour, ...]


@dataclass(frozen=True)
class Neighbours:
    """What was found. node: by whose features. left_out: the files that could not be read, each with the reason.

    output: the picture of it, None where none was asked for.
    """

    run: str
    node: str
    queries: tuple[Query, ...]
    left_out: dict[str, str]
    output: Path | None


def find_neighbours(
    run: str, queries: Images, images: Images, k: int, output: Path | None, node: str | None, device: str,
    batch: int | None, skip: bool, progress: Progress | None, sets: Sequence[str] = (),
) -> Neighbours:  # fmt: skip
    """The k nearest of the images to each query; see `graphssl.neighbours`."""
    if output is not None:
        _check_output(output)
    embedder = embedder_of(run, node, device, batch, sets)
    asked, known, left_out = embedder.given(queries, "queries"), embedder.given(images), LeftOut(skip=skip)
    wanted, _ = embedder(asked, LeftOut(what="the query ", advice=QUERY))
    features, places = embedder(known, left_out, progress)
    same = _same_files(asked, known)
    found = [
        Query(asked.names[i], asked.labels[i], tuple(_nearest(one, features, places, known, k, same[i])))
        for i, one in enumerate(functional.normalize(wanted))
    ]
    result = Neighbours(str(run), embedder.node, tuple(found), left_out.found, output)
    if output is not None:
        _draw(result, output, asked, known, upright=embedder.form.upright)
    return result


def _check_output(output: Path) -> None:
    if output.suffix.lower() not in FORMS:
        raise UsageError(f"neighbours cannot be drawn as '{output.name}': names end in {', '.join(FORMS)}")
    if special(output) == "a folder":
        raise UsageError(f"{output} is a folder: name a file, such as {output / 'neighbours.png'}")
    check_folder(output)


def _same_files(asked: Given, known: Given) -> list[set[int]]:
    """Of each query the places of its own file."""
    places: dict[str, set[int]] = {}
    for place, picture in enumerate(known.pictures):
        if isinstance(picture, str):
            places.setdefault(os.path.realpath(picture), set()).add(place)
    return [places.get(os.path.realpath(p), set()) if isinstance(p, str) else set() for p in asked.pictures]


def _nearest(
    query: Tensor, features: Tensor, places: Tensor, known: Given, k: int, without: set[int]
) -> Iterator[Neighbour]:
    """Of pictures that are equally near, the first one first."""
    cosine = functional.cosine_similarity(features, query[None]).clamp(-1, 1)
    order = torch.sort(cosine, descending=True, stable=True).indices[: k + len(without)].cpu()
    numbers, near = places[order].tolist(), cosine.cpu()[order].tolist()
    kept = [(place, value) for place, value in zip(numbers, near, strict=True) if place not in without]
    if not kept:
        raise UsageError("there is no picture to find but the query itself")
    for place, value in kept[:k]:
        yield Neighbour(known.names[place], known.labels[place], place, value)


# -- the picture ---------------------------------------------------------------------------------------------------


def _draw(result: Neighbours, output: Path, asked: Given, known: Given, *, upright: bool) -> None:
    rows = [
        Row(
            _card(asked, i, "query", upright),
            [_card(known, near.place, f"{near.similarity:.3f}", upright) for near in query.nearest],
        )
        for i, query in enumerate(result.queries)
    ]
    title = f"nearest by the cosine of features of '{result.node}', run {Path(result.run).name}"
    picture = gallery(rows, title, FORMS[output.suffix.lower()])
    with writing(output), replacing(output) as temporary:
        temporary.write_bytes(picture)


def _card(pictures: Given, place: int, head: str, upright: bool) -> Card:
    """A file's name stands without its folders, but for the class."""
    label = pictures.labels[place]
    lines: Sequence[str] = (Path(pictures.names[place]).name, *((label,) if label else ()))
    return Card(thumbnail(pictures.pictures[place], upright=upright), head, tuple(lines))
