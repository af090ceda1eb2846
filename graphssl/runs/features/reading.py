"""Pictures that were given, as the batches from which features are made: prepared as an evaluation's are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...checks.checked import Checked
from ...data import BadImages, Batch
from ...data.files import Files, Paths
from ...data.fit import Fit
from ...data.known import fit_of
from ...data.own.known import form_of
from ...data.workers import Workers
from ...errors import RunError
from .given import Given

__all__ = ["LeftOut", "Progress", "read"]

Progress = Callable[[int, int], None]  # pictures that are read, and of how many


@dataclass
class LeftOut(BadImages):
    """The files that could not be read, each with the reason; the first one ends the reading, unless `skip`.

    what, advice: before and after what is said of that one.
    """

    skip: bool = False
    what: str = ""
    advice: str = "Mend or remove it, or leave such pictures out with --skip"
    found: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, why: str) -> None:
        if not self.skip:
            raise RunError(f"{self.what}'{name}' cannot be read as a picture: {why}. {self.advice}")
        self.found[name] = why


def read(
    pictures: Given, checked: Checked, node: str, batch: int, device: torch.device, left_out: LeftOut, tell: Progress
) -> Iterator[Batch]:
    """The pictures in batches on the device; `index` and `label` are their places among those given.

    node: for whose images they are. Those that cannot be read are left out.
    """
    done, total = 0, len(pictures.pictures)
    for start, part in _runs(pictures.pictures):
        if isinstance(part[0], str):
            found = _of_files([str(path) for path in part], checked, batch, device, left_out)
        else:
            found = _of_tensors([image for image in part if isinstance(image, Tensor)], checked, node, batch, device)
        for images, place in found:
            place = place + start
            yield Batch(images, place, place)
            done = int(place[-1]) + 1
            tell(done, total)
    if done < total:
        tell(total, total)


def _runs(pictures: Sequence[str | Tensor]) -> Iterator[tuple[int, Sequence[str | Tensor]]]:
    """Stretches of files, and of what is in memory, each with the place where it begins."""
    start = 0
    for end in range(1, len(pictures) + 1):
        if end == len(pictures) or isinstance(pictures[end], str) != isinstance(pictures[start], str):
            yield start, pictures[start:end]
            start = end


def _of_files(
    paths: Sequence[str], checked: Checked, batch: int, device: torch.device, left_out: LeftOut
) -> Iterator[tuple[Tensor, Tensor]]:
    """As the data set's own pictures are read for an evaluation: by worker processes where there are many."""
    files = Files(Paths(paths), torch.arange(len(paths)), "")
    data = checked.graph.spec.data
    source = Workers(files, fit_of(data), device, data.workers, left_out, skip=True, form=form_of(data))
    for found in source.read(torch.arange(len(paths)), batch, full=False):
        yield found.image, found.index.cpu()


def _of_tensors(
    images: Sequence[Tensor], checked: Checked, node: str, batch: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    fit, size = fit_of(checked.graph.spec.data), checked.image_size(node)
    for start in range(0, len(images), batch):
        ready = [_prepared(image, fit, size).to(device) for image in images[start : start + batch]]
        yield torch.stack(ready), torch.arange(start, start + len(ready))


def _prepared(image: Tensor, fit: Fit, taken: tuple[int, int] | None) -> Tensor:
    """uint8 `c h w` as a file's picture is when it is read; what has the size that the node takes is left as it is."""
    return image if tuple(image.shape[1:]) == taken else fit(image)
