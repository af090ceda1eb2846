"""Features of pictures that a user brings, by a run's encoder, in memory or in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from ...checks.checked import Checked
from ...checks.features import feature_problem
from ...data import Batch
from ...data.own.known import form_of
from ...errors import RunError, UsageError, ran_out
from ...evaluation import embed as embed_batches
from ...train.device import choose_device
from ..folder import find_run
from ..trained import load_trained
from .given import Given, Images, given
from .reading import LeftOut, Progress, read
from .table import check_table, write_table

__all__ = ["BATCH", "Embedded", "Embedder", "embed_images", "embed_to_file", "embedder_of", "no_features"]

ALONE = "Mend it or leave it out; `embed_files` with skip=True leaves such pictures out"
BATCH = 256  # at most, where nobody says: there is no gradient, and larger ones are no faster


@dataclass(frozen=True)
class Embedded:
    """Features in a file.

    output: the file. node: what gave them. files, classes: of each row. features: float32, `n d`, on the CPU.
    left_out: the files that could not be read, each with the reason.
    """

    output: Path
    node: str
    files: tuple[str, ...]
    classes: tuple[str | None, ...]
    features: Tensor
    left_out: dict[str, str]


class Embedder:
    """What gives features of images, loaded once. node: as the graph calls it. batch: pictures at a time.

    Raises UsageError for a node that gives no features of images.
    """

    def __init__(self, checked: Checked, module: nn.Module, node: str, device: str, batch: int | None) -> None:
        self.checked, self.node, self.device = checked, node, choose_device(device)
        self.module = module.to(self.device)
        if reason := no_features(checked, node):
            raise UsageError(f"{reason}: there are no features to take from it")
        self.batch = batch or min(checked.graph.spec.data.batch, BATCH)
        self.form = form_of(checked.graph.spec.data)

    def given(self, images: Images, name: str = "images") -> Given:
        """The pictures of whatever was handed over, of such as the encoder takes. name: of the argument."""
        return given(images, self.form, name)

    def __call__(self, pictures: Given, left_out: LeftOut, progress: Progress | None = None) -> tuple[Tensor, Tensor]:
        """Features, float32 `n d`, and the places of their pictures, `n`. Raises RunError for what cannot be read."""
        facts, size = self.checked.data, self.checked.image_size(self.node)
        tell = progress or (lambda done, total: None)
        batches = read(pictures, self.checked, self.node, self.batch, self.device, left_out, tell)
        try:
            features, place = embed_batches(
                self.module, _some(batches, left_out), facts.mean, facts.std, size=size, device=self.device
            )
        except Exception as error:
            if not ran_out(error):
                raise
            raise RunError(
                f"a batch of {self.batch} pictures does not fit the memory of {self.device}: take fewer with --batch"
            ) from error
        if not bool(features.isfinite().all()):
            bad = int((~features.isfinite()).any(1).sum())
            raise RunError(f"'{self.node}' gives features that are not finite, for {bad} of {len(features)} pictures")
        return features, place.cpu()


def embedder_of(run: str, node: str | None, device: str, batch: int | None, sets: Sequence[str] = ()) -> Embedder:
    """A run's encoder. node: which node, or value of the flow; default the evaluated one."""
    trained = load_trained(find_run(run, sets), node, choose_device(device))
    return Embedder(trained.checked, trained.module, node or trained.checked.features or "", device, batch)


def embed_images(
    run: str, images: Images, node: str | None, device: str, batch: int | None, sets: Sequence[str] = ()
) -> Tensor:  # fmt: skip
    """Features of pictures in memory or in files, float32 `b d`, a row for each; see `graphssl.embed`."""
    embedder = embedder_of(run, node, device, batch, sets)
    features, _ = embedder(embedder.given(images), LeftOut(advice=ALONE))
    return features


def embed_to_file(
    run: str, paths: str | Path | Sequence[str | Path], output: Path, node: str | None, device: str,
    batch: int | None, skip: bool, progress: Progress | None, sets: Sequence[str] = (),
) -> Embedded:  # fmt: skip
    """Features of picture files, written as a table; see `graphssl.embed_files`."""
    check_table(output)
    embedder = embedder_of(run, node, device, batch, sets)
    pictures = embedder.given(paths, "paths")
    left_out = LeftOut(skip=skip)
    features, places = embedder(pictures, left_out, progress)
    rows = places.tolist()
    files, classes = ([names[row] for row in rows] for names in (pictures.names, pictures.labels))
    write_table(output, files, classes, features.cpu(), {"run": str(run), "node": embedder.node})
    return Embedded(output, embedder.node, tuple(files), tuple(classes), features.cpu(), left_out.found)


def _some(batches: Iterator[Batch], left_out: LeftOut) -> Iterator[Batch]:
    """The batches. Raises RunError where no picture is left."""
    there = False
    for batch in batches:
        there = True
        yield batch
    if not there:
        name, why = next(iter(left_out.found.items()))
        raise RunError(f"none of {len(left_out.found)} pictures can be read, the first one because: '{name}': {why}")


def no_features(checked: Checked, name: str) -> str | None:
    """Why a node, or a value, gives no features of images; None where it does."""
    node = checked.graph.nodes.get(name)
    if node is not None and node.forward.needs_draws:
        return f"'{name}' is random"
    return feature_problem(checked.graph, checked.shapes, name)
