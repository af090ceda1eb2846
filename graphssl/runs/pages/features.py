"""What the encoders of runs make of some pictures, for the parts of a page that are about that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...data import Batch, Datasets, open_data
from ...errors import GraphError, RunError, UsageError, ran_out
from ...evaluation import embed
from ...evaluation.context import spread
from ...graph import spec
from ..artifacts import views_of
from ..data import refuse_absent
from ..features.thumbnail import thumbnail
from ..folder import RunFolder
from ..trained import load_trained
from .entries import Entry
from .views import kept_views

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MOST", "Features", "Gathered", "gathered"]

MOST = 6  # entries whose features are made
SAMPLES = 1000  # pictures, spread evenly over all that there are
SIDE = 64  # px of a picture's larger side on a page
BATCH = 256

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Features:
    """features: float32, `n d`, on the CPU. labels: int64, `n`, -1 of a picture without one. classes: their names.
    pictures: small. node: which gives the features. said: which pictures they are."""

    features: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    pictures: Sequence[Image]
    node: str
    said: str

    def label(self, place: int) -> str | None:
        """The class of a picture."""
        number = int(self.labels[place])
        if number < 0:
            return None
        return self.classes[number] if number < len(self.classes) else str(number)


@dataclass
class Gathered:
    """By the places of entries: features, and views that were drawn again. lacks: why there are no more."""

    features: dict[int, Features] = field(default_factory=dict)
    views: dict[int, bytes] = field(default_factory=dict)
    lacks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Sample:
    """Pictures of a data set, as they are evaluated."""

    data: Datasets
    batches: list[Batch]
    pictures: list[Image]
    said: str


def gathered(entries: Sequence[Entry], device: torch.device, progress: Progress | None = None) -> Gathered:
    """Of the first entries, each by its first run. progress: called with how many pictures are embedded, and of how
    many. What cannot be had is said, and stops nothing."""
    found, tell = Gathered(), progress or (lambda done, total: None)
    chosen = [(i, entry) for i, entry in enumerate(entries) if entry.runs][:MOST]
    if len(chosen) < len(entries):
        found.lacks.append(f"Features are those of the first {len(chosen)} of {len(entries)}.")
    samples: dict[str, _Sample | str] = {}
    try:
        for done, (i, entry) in enumerate(chosen):
            so_far = done * SAMPLES

            def each(n: int, so_far: int = so_far) -> None:
                tell(so_far + n, len(chosen) * SAMPLES)

            try:
                _gather(found, i, entry, samples, device, each)
            except (GraphError, RunError) as error:
                found.lacks.append(f"{entry.name}: {_reason(error)}")
            except Exception as error:
                if not ran_out(error):
                    raise
                found.lacks.append(f"{entry.name}: its features do not fit the memory of {device}")
    finally:
        for sample in samples.values():
            if isinstance(sample, _Sample):
                sample.data.close()
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, GraphError):
        return next(iter(error.problems)).message
    return str(error).partition("\n")[0]


def _gather(
    found: Gathered, place: int, entry: Entry, samples: dict[str, _Sample | str], device: torch.device,
    each: Callable[[int], None],
) -> None:  # fmt: skip
    folder = entry.runs[0].folder
    if folder is None:
        raise RunError("its folder is not here, and its weights with it")
    trained = load_trained(RunFolder(folder.path), None, device)
    graph = trained.checked.graph
    key = graph.spec.data.model_dump_json()
    if key not in samples:
        samples[key] = _opened(graph.spec.data, device, graph.spec.train.seed)
    sample = samples[key]
    if isinstance(sample, str):
        raise RunError(sample)
    node = trained.checked.features or ""
    facts, size = trained.checked.data, trained.checked.image_size(node)
    batches = _counted(sample.batches, each)
    features, labels = embed(trained.module, batches, facts.mean, facts.std, size=size, device=device)
    if not bool(features.isfinite().all()):
        bad = int((~features.isfinite()).any(1).sum())
        raise RunError(f"'{node}' gives features that are not finite, for {bad} of {len(features)} pictures")
    found.features[place] = Features(
        features.float().cpu(), labels.cpu(), sample.data.classes, sample.pictures, node, sample.said
    )  # fmt: skip
    if kept_views(folder.path) is None:
        sample.data.train.cut(trained.program.cuts, "image" in trained.program.inputs)
        drawn = views_of(trained.checked, trained.program, sample.data, device)
        if drawn is not None:
            found.views[place] = drawn


def _counted(batches: Sequence[Batch], each: Callable[[int], None]) -> Iterator[Batch]:
    done = 0
    for batch in batches:
        yield batch
        done += len(batch.label)
        each(done)


def _opened(data: spec.Data, device: torch.device, seed: int) -> _Sample | str:
    """The pictures; or why there are none, for all runs on these data."""
    try:
        refuse_absent(data)
        opened = open_data(data, device, seed)
    except (UsageError, RunError) as error:
        return f"its data are not here any more, so that there are no features: {_reason(error)}"
    with _closing(opened):
        held = opened.held > 0
        there = opened.held if held else opened.pictures
        places = spread(there, SAMPLES)
        read = opened.read_judged if held else opened.read_pictures
        found = read(places, min(data.batch, BATCH))
        batches = [Batch(one.image.cpu(), one.index.cpu(), one.label.cpu()) for one in found]
        pictures = [thumbnail(image, SIDE) for batch in batches for image in batch.image]
    some = f"{len(pictures):,} of the {there:,}" if len(pictures) < there else f"the {there:,}"
    return _Sample(opened, batches, pictures, f"{some} {'held-out' if held else 'training'} pictures of {data.use}")


@contextmanager
def _closing(data: Datasets) -> Iterator[None]:
    """Closes them where something goes wrong."""
    try:
        yield
    except BaseException:
        data.close()
        raise
