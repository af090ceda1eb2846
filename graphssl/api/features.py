"""What a run makes of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..runs.arguments import taking
from .telling import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from ..runs.arguments import AnyRun, Device, Sets
    from ..runs.features import Embedded, Images, Neighbours

__all__ = ["embed", "embed_files", "neighbours"]


@taking
def embed(
    run: AnyRun, images: Images, node: str | None = None, device: Device = "auto", *, batch: int | None = None,
    sets: Sets = (),
) -> Tensor:  # fmt: skip
    """Features of a finished or interrupted run's encoder: float32, `b d`, a row for each picture, on the device.

    images: a tensor, uint8, `b 3 h w` or `3 h w`; an array, uint8, `b h w 3`, `h w 3` or `h w` (grey); a picture of
    Pillow's; the path of a file, or of a folder with all that is below, sorted by name; or a list of any of these.
    They are prepared as for an evaluation. node: which node, or value of the flow; default the evaluated one. batch:
    pictures at a time. Raises UsageError for other images, and for a node that gives no features of images, RunError
    for a file that is no readable picture.
    """
    from ..runs.features import embed_images

    return embed_images(str(run), images, node, str(device), batch, list(sets))


@taking
def embed_files(
    run: AnyRun, paths: str | Path | Sequence[str | Path], output: str | Path = "features.parquet",
    node: str | None = None, device: Device = "auto", *, batch: int | None = None, skip: bool = False,
    progress: Progress | None = None, sets: Sets = (),
) -> Embedded:  # fmt: skip
    """Features of picture files, also written as a table, whole or not at all: .parquet, .npz or .csv.

    paths: files, and folders with all that is below. Columns: `file`; `class`, of the folder it is in; `features`, in
    csv `f0`, `f1` ... skip: files that are no readable pictures are left out, and said; else the first one is a
    RunError. progress: called with how many are done, and of how many. The others are those of `embed`.
    """
    from ..runs.features import embed_to_file

    return embed_to_file(str(run), paths, Path(output), node, str(device), batch, skip, progress, list(sets))


@taking
def neighbours(
    run: AnyRun, queries: Images, images: Images, k: int = 8, output: str | Path | None = None,
    node: str | None = None, device: Device = "auto", *, batch: int | None = None, skip: bool = False,
    progress: Progress | None = None, sets: Sets = (),
) -> Neighbours:  # fmt: skip
    """The k images nearest to each query by the cosine of their features; a query's own file is left out.

    queries, images: as of `embed`. output: where to draw them, .png, .jpg or .webp. The others are of `embed_files`.
    """
    from ..runs.features import find_neighbours

    file = None if output is None else Path(output)
    return find_neighbours(str(run), queries, images, k, file, node, str(device), batch, skip, progress, list(sets))
