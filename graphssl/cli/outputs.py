"""The commands that get features and weights out of a run: options in, a call of `graphssl.api`, words."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from ..console import put
from ..errors import UsageError
from .arguments import Changeable, Device, NoCode, RunArgument, Sets
from .reference import app

__all__ = ["app"]

Pictures = Annotated[list[str], typer.Argument(help="Files, or folders with all that is below.")]
Node = Annotated[str | None, typer.Option(help="Which node, or value of the flow; default: the evaluated one.")]
Batch = Annotated[int | None, typer.Option(help="Pictures at a time.")]
Skip = Annotated[bool, typer.Option("--skip", help="Leave out pictures that cannot be read, instead of stopping.")]


@app.command(cls=Changeable)
def embed(
    run: RunArgument,
    pictures: Pictures,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write: .parquet, .npz or .csv.")] = Path(
        "features.parquet"
    ),
    node: Node = None,
    device: Device = "auto",
    batch: Batch = None,
    skip: Skip = False,
    sets: Sets = None,
    no_code: NoCode = False,
) -> None:
    """Write the features of pictures, with their files' names, as a table."""
    from .. import api
    from .counting import Counting
    from .summary import embedded_text

    with closing(Counting("pictures read")) as counting:
        done = api.embed_files(
            run, pictures, output, node, device, batch=batch, skip=skip, progress=counting, sets=sets or []
        )  # fmt: skip
    put(embedded_text(done))


@app.command(cls=Changeable)
def neighbours(
    run: RunArgument,
    pictures: Annotated[list[str], typer.Argument(metavar="QUERY... FOLDER", help="Pictures; last, where to look.")],
    k: Annotated[int, typer.Option("-k", help="How many to find for each query.")] = 8,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to draw them: .png, .jpg or .webp.")] = Path(
        "neighbours.png"
    ),
    node: Node = None,
    device: Device = "auto",
    batch: Batch = None,
    skip: Skip = False,
    sets: Sets = None,
    no_code: NoCode = False,
) -> None:
    """Find and draw the pictures that are nearest to others by the cosine of their features."""
    from .. import api
    from .counting import Counting
    from .summary import neighbours_text

    *queries, folder = pictures
    if not queries:
        raise UsageError(
            f"name a picture, or more, and last the folder to look in: neighbours {run} QUERY.jpg {folder}"
        )
    with closing(Counting("pictures read")) as counting:
        found = api.neighbours(
            run, queries, folder, k, output, node, device, batch=batch, skip=skip, progress=counting, sets=sets or []
        )  # fmt: skip
    put(neighbours_text(found))


@app.command(cls=Changeable)
def export(
    run: RunArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; default: encoder.pt, or as the format ends.")
    ] = None,
    node: Annotated[str | None, typer.Option(help="Which node; default: the evaluated one.")] = None,
    to: Annotated[
        str | None, typer.Option(help="torch (a plain state dict), torchvision, timm, safetensors, onnx, torch-export.")
    ] = None,
    sets: Sets = None,
    no_code: NoCode = False,
) -> None:
    """Write a node for plain torch, torchvision, timm or a runtime to load, with a model card beside it."""
    from .. import api
    from .summary import export_text

    put(export_text(api.export(run, output, node, to, sets=sets or [])))
