"""What is made of the pictures of a batch as they come: what is cut of each, and each as it is evaluated."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from ..ports import Cut
from .fit import Fit

__all__ = ["Made", "Make", "Making"]

NOTHING = torch.empty(0, dtype=torch.uint8)


class Make(NamedTuple):
    """What to make of pictures. fit: as they are evaluated, None where nobody takes that. whole: as they are."""

    fit: Fit | None
    cuts: tuple[tuple[Cut, ...], ...] = ()
    whole: bool = False


class Made(NamedTuple):
    """See `Batch`. whole: the pictures as they are, `c h w`, each of its size."""

    image: Tensor
    cuts: tuple[tuple[Tensor, ...], ...]
    whole: list[Tensor]


class Making:
    """A batch of b pictures, in the making. A picture is no longer needed when it is taken.

    part: which of how many equal parts of a batch it is, whose random numbers are drawn for all of it.
    """

    def __init__(self, make: Make, b: int, seed: int, part: tuple[int, int] = (0, 1)) -> None:
        self.make, self._b = make, b
        self._flat = [cut for cuts in make.cuts for cut in cuts]
        self._image = NOTHING
        self._views = [NOTHING] * len(self._flat)
        self._whole: list[Tensor] = []
        generator = torch.Generator().manual_seed(seed)
        number, parts = part
        drawn = [torch.rand((b * parts, cut.views, cut.numbers), generator=generator) for cut in self._flat]
        self._uniform = [numbers[number * b : (number + 1) * b] for numbers in drawn]

    def begin(self, image: Tensor, cuts: tuple[tuple[Tensor, ...], ...], device: torch.device) -> None:
        """Goes on with what another has made of the other places, on a device."""

        def there(made: Tensor, places: tuple[int, ...]) -> Tensor:
            return made.to(device, non_blocking=True).unflatten(0, places) if made.ndim > 2 else NOTHING

        flat = [made for of_call in cuts for made in of_call]
        self._image = there(image, (self._b,))
        self._views = [there(made, (cut.views, self._b)) for cut, made in zip(self._flat, flat, strict=True)]

    def take(self, slot: int, picture: Tensor) -> Annotated[Tensor, "n"]:
        """Makes what is wanted of the picture in a place of the batch. Gives a coded file back, and else nothing."""
        if picture.ndim == 1:
            return picture
        if self.make.whole:
            self._whole.append(picture)
        if self.make.fit is not None:
            made = self.make.fit(picture)
            self._image = self._room(self._image, (self._b,), made)
            self._image[slot] = made
        for i, cut in enumerate(self._flat):
            views = cut(picture, self._uniform[i][slot])
            self._views[i] = self._room(self._views[i], (cut.views, self._b), views[0])
            self._views[i][:, slot] = views
        return NOTHING

    def _room(self, known: Tensor, places: tuple[int, ...], one: Annotated[Tensor, "c y x"]) -> Tensor:
        """Room for pictures like this one, channels last."""
        if known.ndim > 1:
            return known
        c, y, x = one.shape
        return torch.empty((*places, y, x, c), dtype=one.dtype, device=one.device).movedim(-1, -3)

    def repeat(self, n: int) -> None:
        """Fills the batch up with what has been made of its first n pictures, again and again."""
        again = torch.arange(n, self._b) % n
        if len(again) and self._image.ndim > 1:
            self._image[n:] = self._image[again]
        for views in self._views:
            if len(again) and views.ndim > 1:
                views[:, n:] = views[:, again]

    def made(self, n: int) -> Made:
        """Of the first n places."""
        image = self._image[:n] if self._image.ndim > 1 else self._image.new_empty((n, 0))
        views = iter([v[:, :n].flatten(0, 1) if v.ndim > 1 else v.new_empty((n, 0)) for v in self._views])
        return Made(image, tuple(tuple(next(views) for _ in cuts) for cuts in self.make.cuts), self._whole)
