"""What an evaluation has to work with: the module, the data, and the features of both splits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor, nn

from ..component import DataFacts
from ..data.traces import spread_evenly
from ..errors import RunError
from ..world import concatenated, current, pooled
from .cache import FeatureCache
from .embedding import embed
from .labelled import Labelled, Splits
from .views import Views, augmenter

if TYPE_CHECKING:
    from ..data import Batch, Datasets
    from ..graph import spec

__all__ = ["Context", "of_all_processes", "spread"]


@dataclass(frozen=True)
class Context:
    """A module that gives features of plain images, with the weights it has now, and the data to judge it on.

    size: height and width of the images that it takes. batch: images embedded at a time. dtype: of autocast, None for
    float32. name: what the graph calls what is judged. seed: of whatever is random in an evaluation. augment: the node
    that makes the graph's views; None where it has none. cache: of features, for weights that stay. section: of the
    data that the network was trained on.
    """

    module: nn.Module
    data: Datasets
    facts: DataFacts
    size: tuple[int, int] | None
    batch: int
    device: torch.device
    dtype: torch.dtype | None = None
    name: str = ""
    seed: int = 0
    augment: nn.Module | None = None
    cache: FeatureCache | None = None
    section: spec.Data | None = None

    @cached_property
    def features(self) -> Splits:
        """Of both splits, made when they are first asked for. Not to be written to: all evaluations have the same."""
        reference = self._kept("reference", lambda: self.data.reference(self.batch))
        return Splits(reference, self.held_out, self.facts.classes)

    @cached_property
    def held_out(self) -> Labelled:
        """Of the held-out split alone, for what needs no other; a part of `features`."""
        return self._kept("test", lambda: self.data.test(self.batch))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes."""
        return tuple(getattr(self.data, "classes", ()))

    def views(self, node: nn.Module) -> Views:
        """What an augmenting node makes of the pictures that classifiers learn from."""
        return Views(node, self.data, self.facts, self.device, self.seed)

    def crops(self, operations: Sequence[Any]) -> Views:
        """One view of each of these pictures, by such operations, of the size that the network takes."""
        size = None if self.size is None else list(self.size)
        return self.views(augmenter("augment.chain", self.facts, operations=operations, views=1, size=size))

    def sample(self, n: int) -> Annotated[Tensor, "n d"]:
        """Features of n training pictures, as they are evaluated, spread evenly over all, also of those without labels;
        of all of them where there are no more."""
        own = spread(self.data.pictures, n).tensor_split(current().size)[current().rank]
        return self._kept(f"sample of {n}", lambda: self.data.read_pictures(own, self.batch)).features

    def on(self, data: Datasets, section: spec.Data) -> Context:
        """The same network on other data, which are seen as it sees pictures."""
        known = self.facts
        facts = DataFacts(
            known.channels, *known.image, None, len(data.classes) or None, known.mean, known.std, None, known.dtype
        )
        cache = self.cache and replace(self.cache, depends={**self.cache.depends, "data": data.identity(section)})
        return replace(self, data=data, facts=facts, cache=cache)

    def anew(self) -> Context:
        """The same without features, which other weights have made."""
        return replace(self)

    def _kept(self, split: str, batches: Callable[[], Iterable[Batch]]) -> Labelled:
        """From the cache, or made and put there. Several processes make them anew, each its part."""
        if self.cache is None or current().size > 1:
            return self.embedded(batches())
        if (found := self.cache.load(split, self.device)) is not None:
            return Labelled(*found)
        made = self.embedded(batches())
        self.cache.save(split, made.features, made.labels)
        return made

    def embedded(self, batches: Iterable[Batch]) -> Labelled:
        """Each process embeds its part, which is empty where there are fewer samples than processes."""
        batches = iter(batches)
        head = list(itertools.islice(batches, 1))
        found = torch.empty(0, 0, device=self.device), torch.empty(0, dtype=torch.int64, device=self.device)
        if head or current().size == 1:
            mean, std = self.facts.mean, self.facts.std
            every = itertools.chain(head, batches)
            found = embed(self.module, every, mean, std, self.size, self.device, self.dtype)
        return Labelled(of_all_processes(found[0]), concatenated(found[1]))


def spread(every: int, n: int) -> Annotated[Tensor, "n"]:
    """The places of n of so many, spread evenly, or of all where there are no more."""
    return torch.tensor(spread_evenly(every, n), dtype=torch.int64)


def of_all_processes(rows: Annotated[Tensor, "n d"]) -> Annotated[Tensor, "n d"]:
    """The features of all processes, in their order. A process that has none may not know how wide they are."""
    if current().size > 1:
        rows = rows.reshape(len(rows), _widest(rows))
    return concatenated(rows)


def _widest(rows: Tensor) -> int:
    """Of the rows of all processes. Raises RunError where no process has any."""
    if not (widest := int(pooled(torch.tensor(rows.shape[1], device=rows.device)).max())):
        raise RunError("there are no samples to evaluate on: the split is empty")
    return widest
