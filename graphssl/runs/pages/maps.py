"""Maps of features in a plane, by PCA and by UMAP; and their spectrum."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from torch import Tensor

from ...errors import reason_of
from ...evaluation.spectrum import rankme, singular_values
from ...report.page import Cloud, Line, Plot, Section, clouds, curves, table
from .entries import Entry
from .features import Features
from .words import named

__all__ = ["map_section", "pca", "spectrum_section", "umap_of"]

COLOURS = 10  # classes with one; of more, the others are grey
SEED = 0
FEW = 16  # pictures, below which UMAP has nothing to say
ROUNDING = 1e-7  # of the largest singular value
WITHOUT = "UMAP is not installed, and the maps are PCA's alone: pip install 'graphssl[pages]'."


def pca(features: Annotated[Tensor, "n d"]) -> tuple[Annotated[Tensor, "n 2"], tuple[float, float]]:
    """The two directions of the largest variance, and the share of it that each has; of each the largest value is
    positive, so that the same features give the same map."""
    centred = features.double() - features.double().mean(0)
    if centred.shape[1] > len(centred):  # the same distances in as many dimensions as there are pictures
        centred = torch.linalg.qr(centred.T, mode="r")[1].T
    left, values, _ = torch.linalg.svd(centred, full_matrices=False)
    found = torch.zeros(len(features), 2, dtype=torch.float64)
    found[:, : min(2, len(values))] = (left * values)[:, :2]
    largest = found.gather(0, found.abs().argmax(0, keepdim=True))
    squares = torch.cat([values.square(), torch.zeros(2, dtype=torch.float64)])
    shares = (squares / squares.sum().clamp_min(1e-300))[:2].tolist()
    return found * torch.where(largest < 0, -1.0, 1.0), (shares[0], shares[1])


def umap_of(features: Annotated[Tensor, "n d"]) -> Annotated[Tensor, "n 2"] | str:
    """McInnes et al. 2018, arXiv:1802.03426, by the cosine; or why there is none. The same features, the same map."""
    try:
        from umap import UMAP
    except ImportError:
        return WITHOUT
    if len(features) < FEW:
        return f"{len(features)} pictures are too few for UMAP."
    unit = torch.nn.functional.normalize(features.float())
    if float((unit - unit[:1]).abs().max()) < 1e-6:
        return "All features point in one direction, in which UMAP finds nothing: they have collapsed."
    with warnings.catch_warnings(), _threads_kept():
        warnings.simplefilter("ignore")
        try:
            made: Any = UMAP(n_neighbors=min(15, len(features) - 1), metric="cosine", random_state=SEED, n_jobs=1)
            return torch.from_numpy(made.fit_transform(unit.numpy())).double()
        except Exception as error:  # of the library's, and of those below it
            return f"UMAP has failed: {reason_of(error)}"


@contextmanager
def _threads_kept() -> Iterator[None]:
    """numba, by which UMAP computes, sets how many threads torch has: with another number the next training rounds
    otherwise."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def map_section(entries: Sequence[Entry], found: Mapping[int, Features]) -> Section:
    """Two maps of each entry beside each other."""
    content: list[str | Plot | Sequence[Plot]] = [
        "Each point is a picture, by the encoder's features. PCA shows the two directions of the largest variance; "
        "UMAP keeps neighbours together, and says nothing by distances between groups or by their sizes."
    ]
    plots: list[Plot] = []
    for place, features in found.items():
        name = entries[place].name
        flat, shares = pca(features.features)
        said = f"PCA, {100 * sum(shares):.0f} % of the variance"
        plots.append(
            _map(f"pca-{place}", f"{name}: {said}", features, flat, [f"{100 * share:.0f} %" for share in shares])
        )
        other = umap_of(features.features)
        if isinstance(other, Tensor):
            plots.append(_map(f"umap-{place}", f"{name}: UMAP", features, other, ["", ""]))
        elif other not in content:
            content.append(other if other == WITHOUT else f"{name}: {other}")
    each = dict.fromkeys(features.said for features in found.values())
    return Section("map", "Embedding map", [*content, f"The pictures are {'; '.join(each)}.", plots])


def _map(name: str, title: str, features: Features, flat: Tensor, axes: Sequence[str]) -> Plot:
    points = list(_classes(features, flat))
    label = f"map of {len(flat)} pictures, {title}; {len(points)} groups of points: {', '.join(p.name for p in points)}"
    return clouds(name, title, label, points, *axes)


def _classes(features: Features, flat: Tensor) -> Iterator[Cloud]:
    """The points of each class; of many classes those with the most pictures have a colour."""
    numbers, counts = features.labels.unique(return_counts=True)
    order = sorted(zip(counts.tolist(), numbers.tolist(), strict=True), key=lambda one: (-one[0], one[1]))
    coloured = sorted(number for _, number in order[:COLOURS] if number >= 0)
    rest = ~torch.isin(features.labels, torch.tensor(coloured, dtype=torch.int64))
    if bool(rest.any()):
        name = "pictures" if not coloured else "others"
        yield Cloud(name, flat[rest, 0].tolist(), flat[rest, 1].tolist(), 0 if not coloured else None)
    for colour, number in enumerate(coloured):
        mine = features.labels == number
        name = features.label(int(mine.nonzero()[0])) or str(number)
        yield Cloud(name, flat[mine, 0].tolist(), flat[mine, 1].tolist(), colour)


def spectrum_section(entries: Sequence[Entry], found: Mapping[int, Features]) -> Section:
    """The singular values of the features of each entry, the largest being 1."""
    lines, rows = [], []
    for place, features in found.items():
        entry = entries[place]
        values = singular_values(features.features, centred=True)
        shares = values / values[:1].clamp_min(torch.finfo(values.dtype).tiny)
        kept = shares[shares > ROUNDING].tolist()
        lines.append(Line(entry.name, range(1, len(kept) + 1), kept, entry.number))
        half = int((shares.square().cumsum(0) < 0.9 * shares.square().sum()).sum()) + 1
        rank = rankme(singular_values(features.features))
        rows.append([named(entry), str(features.features.shape[1]), f"{rank:.1f}", str(half if kept else 0)])
    head = ["runs", "dimensions", "RankMe", "directions with 90 % of the variance"]
    told = table(head, rows, "how many directions the features fill", numbers=(1, 2, 3))
    label = "singular values of the features over their rank, by their logarithm; the table says how many directions"
    plot = curves("spectrum", "singular values, the largest is 1", label, lines, "rank", log=True)
    said = (
        "The singular values of the centred features, in falling order: a line that falls off early is one of features "
        "that fill few directions, as where a dimension has collapsed."
    )
    return Section("spectrum", "Spectrum", [said, told, plot])
