"""Reads pictures with their boxes beside the training, in an order that is a function of the seed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ...console import cores
from ...data.order import seed_of
from ...errors import RunError, reason_of
from .faults import Faults
from .masks import decoded
from .pictures import Object, Picture

__all__ = ["Read", "ahead", "batches_of", "look_at", "read"]

T = TypeVar("T")
R = TypeVar("R")

UNREADABLE = OSError, ValueError, SyntaxError
AHEAD = 4  # jobs a thread that are under way


class Read(NamedTuple):
    """A picture, uint8 `c h w`, and what a detector is to find: `boxes`, `labels` and of Mask R-CNN `masks`."""

    image: Annotated[Tensor, "c h w"]
    target: dict[str, Tensor]

    def to(self, device: torch.device) -> Read:
        """On the device, its values from 0 to 1."""
        image = self.image.to(device, non_blocking=True).float() / 255
        return Read(image, {key: value.to(device, non_blocking=True) for key, value in self.target.items()})


def read(picture: Picture, channels: int, *, masks: bool = False, flip: bool = False) -> Read:
    """A picture with the objects that are learnt from. flip: left is right. Raises RunError for a file that cannot be
    read, or is of another size than its boxes."""
    image = torch.from_numpy(_array(picture, channels))
    target = _target(picture.learnt, picture, masks)
    if flip:
        image = image.flip(2)
        target["boxes"] = target["boxes"][:, [2, 1, 0, 3]] * target["boxes"].new_tensor([-1, 1, -1, 1])
        target["boxes"] += target["boxes"].new_tensor([picture.width, 0, picture.width, 0])
        if masks:
            target["masks"] = target["masks"].flip(2)
    return Read(image, target)


def look_at(pictures: Sequence[Picture], faults: Faults) -> None:
    """Opens each file, and notes those that are no pictures, or of another size than their annotations say."""
    for picture, size in zip(pictures, ahead(pictures, _size), strict=True):
        said = picture.width, picture.height
        if isinstance(size, str):
            faults.wrong("files that cannot be read as pictures", f"{picture.path}: {size}")
        elif size != said and size != said[::-1]:  # which may lie on its side
            faults.wrong(
                "pictures of another size than their annotation says",
                f"{picture.path} has {size[0]} x {size[1]} px, and is said to have {said[0]} x {said[1]}",
            )


def _size(picture: Picture) -> tuple[int, int] | str:
    try:
        with Image.open(picture.path) as opened:
            return opened.size
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        return reason_of(error)


def _array(picture: Picture, channels: int) -> Any:
    try:
        with Image.open(picture.path) as opened:
            image: Image.Image = opened
            if image.size != (picture.width, picture.height):
                image = ImageOps.exif_transpose(image)
            array = np.array(image.convert("RGB" if channels == 3 else "L"))
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise RunError(f"{picture.path} cannot be read as a picture: {error}") from error
    if array.shape[:2] != (picture.height, picture.width):
        found = f"{array.shape[1]} x {array.shape[0]} px"
        said = f"{picture.width} x {picture.height}"
        raise RunError(f"{picture.path} has {found}, and its annotation says {said}: its boxes are of another picture")
    return np.ascontiguousarray(array.transpose(2, 0, 1) if array.ndim == 3 else array[None])


def _target(objects: Sequence[Object], picture: Picture, masks: bool) -> dict[str, Tensor]:
    found = {
        "boxes": torch.tensor([one.box for one in objects], dtype=torch.float32).view(-1, 4),
        "labels": torch.tensor([one.label for one in objects], dtype=torch.int64),
    }
    if masks:
        shape = picture.height, picture.width
        made = [torch.from_numpy(decoded(one.mask, *shape)) for one in objects]
        found["masks"] = torch.stack(made) if made else torch.zeros(0, *shape, dtype=torch.uint8)
    return found


def batches_of(pictures: Sequence[Picture], batch: int, seed: int) -> Iterator[list[tuple[int, float]]]:
    """Without an end: places of pictures, and a number from which it is drawn whether each is flipped.

    Wide pictures are with wide ones and high with high, so that little is padded. Every epoch has another order.
    """
    waiting: dict[bool, list[tuple[int, float]]] = {True: [], False: []}
    for epoch in count():
        generator = np.random.default_rng(seed_of(f"detection {seed} {epoch}"))
        for place, chance in zip(generator.permutation(len(pictures)), generator.random(len(pictures)), strict=True):
            picture = pictures[int(place)]
            like = waiting[picture.width >= picture.height]
            like.append((int(place), float(chance)))
            if len(like) == batch:
                yield like.copy()
                like.clear()


def ahead(jobs: Iterable[T], work: Callable[[T], R]) -> Iterator[R]:
    """What `work` makes of each job, in their order, made by threads before it is asked for."""
    jobs, threads = iter(jobs), min(cores(), 16)
    with ThreadPoolExecutor(threads) as pool:
        under_way = deque(pool.submit(work, job) for job in islice(jobs, AHEAD * threads))
        try:
            while under_way:
                found = under_way.popleft().result()
                under_way.extend(pool.submit(work, job) for job in islice(jobs, 1))
                yield found
        finally:
            for future in under_way:
                future.cancel()
