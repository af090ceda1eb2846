"""Some pictures with those that are nearest to them by each run's features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from ...evaluation.context import spread
from ...report.page import Html, Section, data_uri, element
from .entries import Entry
from .features import SIDE, Features

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["nearest_section", "queries_of"]

QUERIES, NEAREST = 5, 6


def queries_of(features: Features) -> list[int]:
    """Of different classes as far as there are; each the first of its class."""
    classes = [number for number in features.labels.unique().tolist() if number >= 0]
    if len(classes) < 2:
        return spread(len(features.labels), QUERIES).tolist()
    chosen = [classes[place] for place in spread(len(classes), QUERIES).tolist()]
    return [int((features.labels == number).nonzero()[0]) for number in chosen]


def nearest_section(entries: Sequence[Entry], found: Mapping[int, Features]) -> Section:
    """The section, each entry's by itself."""
    content: list[str] = [
        f"A picture, left, and the {NEAREST} that are nearest to it by the cosine of their features, among the "
        "pictures of the map. A dashed frame is one of another class."
    ]
    each = [
        element("div", element("h3", entries[place].name), [_row(features, query) for query in queries_of(features)])
        for place, features in found.items()
    ]
    return Section("nearest", "Nearest neighbours", [*content, element("div", each, class_="side")])


def _row(features: Features, query: int) -> Html:
    unit = functional.normalize(features.features)
    cosine = unit @ unit[query]
    cosine[query] = -2.0
    order = torch.sort(cosine, descending=True, stable=True).indices[: min(NEAREST, len(cosine) - 1)].tolist()
    shown = [_card(features, query, "query", "the query")]
    for place in order:
        like = features.labels[place] == features.labels[query]
        known = features.label(place) is not None
        kind = ("same" if like else "other") if known else None
        shown.append(_card(features, place, kind, f"{float(cosine[place]):.3f}"))
    return element("ul", shown, class_="near")


def _card(features: Features, place: int, kind: str | None, said: str) -> Html:
    label, image = features.label(place), features.pictures[place]
    what = f"picture {place}" if label is None else f"picture {place}, of class {label}"
    wide, high = _size(image)
    pixels = "pixels" if wide > image.width else None
    address = data_uri(image, small=True)
    shown = element("img", src=address, alt=what, width=wide, height=high, class_=pixels, loading="lazy")
    return element("li", shown, *([label, element("br")] if label is not None else []), said, class_=kind)


def _size(image: Image) -> tuple[int, int]:
    """As large as its place."""
    scale = SIDE / max(image.size)
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))
