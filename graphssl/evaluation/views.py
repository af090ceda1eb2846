"""Random views of the pictures that classifiers learn from, made outside of a graph's step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from ..component import REGISTRY, DataFacts, Sizes, build
from ..data.order import permutation, seed_of
from .subset import Share

if TYPE_CHECKING:
    from ..data import Batch, Datasets

__all__ = ["Area", "Seen", "Views", "augmenter", "pictures_in"]

PICTURES = 4  # axes, `b c h w`


def _in_order(area: list[float]) -> list[float]:
    if area[0] > area[1]:
        raise ValueError(f"the smallest share comes first: [{area[1]:g}, {area[0]:g}]")
    return area


# Of random crops the smallest and the largest share of the picture.
Area = Annotated[list[Share], Field(min_length=2, max_length=2), AfterValidator(_in_order)]


class Seen(NamedTuple):
    """views: of each picture, normalised, float32. label, place: int64; among all that classifiers learn from."""

    views: tuple[Annotated[Tensor, "b c h w"], ...]
    label: Annotated[Tensor, "b"]
    place: Annotated[Tensor, "b"]


class Views:
    """What an augmenting node makes of pictures: of the whole ones where these have sizes of their own.

    All randomness of an epoch is drawn from its seed: the same views again, on one device.
    """

    def __init__(self, node: nn.Module, data: Datasets, facts: DataFacts, device: torch.device, seed: int) -> None:
        self._node: Any = node
        self._data, self._device, self._seed = data, device, seed
        self._cuts = tuple(getattr(node, "cuts", ())) if facts.source is None or hasattr(node, "cuts_only") else ()

    def epoch(self, epoch: int, batch: int, places: Tensor | None = None) -> Iterator[Seen]:
        """Of the labelled pictures that classifiers learn from, in another order each epoch, the last batch short.

        places: int64, of some of them, by their place among all; default: all.
        """
        places = torch.arange(self._data.learning) if places is None else places.cpu()
        order = places[permutation(len(places), self._seed, epoch)]
        read = self._data.read_learning(order, batch, self._cuts, self._seed, epoch)
        return self._made(read, epoch, 0, self._data.learning_index)

    def of_pictures(self, places: Tensor, epoch: int, batch: int, first: int = 0) -> Iterator[Seen]:
        """Of training pictures, also of those without labels, by their place among all.

        epoch: others for each. first: the number of the first batch: parts of the same places have the same views as
        all of them at once, where each part begins with a whole batch.
        """
        read = self._data.read_pictures(places, batch, self._cuts, self._seed, epoch, first)
        return self._made(read, epoch, first, self._data.picture_index)

    def _made(self, read: Iterator[Batch], epoch: int, first: int, index: Tensor) -> Iterator[Seen]:
        """index: the `Batch.index` of every picture that may be read, in the order of their places."""
        generator = torch.Generator(self._device)
        place_of = torch.empty(int(index.max()) + 1 if len(index) else 0, dtype=torch.int64)
        place_of[index] = torch.arange(len(index))
        place_of = place_of.to(self._device)
        for number, found in enumerate(read, first):
            generator.manual_seed(seed_of(f"views {self._seed} {epoch} {number}"))
            draws = self._node.draw(len(found.label), generator, self._device)
            with torch.no_grad():
                views = self._node(found.cuts[0] if self._cuts else found.image, draws)
            label, place = found.label.to(self._device), place_of[found.index.to(self._device)]
            yield Seen(tuple(pictures_in(views)), label, place)


def pictures_in(views: Any) -> Iterator[Tensor]:
    """The views that a node makes, also in families; without what else there is of each, such as its box."""
    if isinstance(views, Tensor):
        if views.ndim == PICTURES:
            yield views
    else:
        for family in views:
            yield from pictures_in(family)


def augmenter(use: str, facts: DataFacts, **options: Any) -> nn.Module:
    """A node that makes views, by its component's name, for pictures with these facts."""
    sizes = Sizes({"c": facts.channels, "h": facts.height, "w": facts.width}, facts)
    return build(REGISTRY[use], sizes=sizes, **options)
