"""Features of several random views of each picture, as the graph's own augmenting node makes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from ..data.fit import Fit
from ..world import current
from .context import Context, of_all_processes, spread
from .embedding import frozen, vectors
from .views import Views

__all__ = ["embed_views"]

LOOKED_AT = 4  # pictures of which it is found out what the node makes


def embed_views(context: Context, n: int, q: int) -> Annotated[Tensor, "n q d"] | None:
    """Features of q views of each of n training pictures, spread evenly over all, with labels or without; of all of
    them where there are no more.

    None where the graph has no augmenting node, or it makes no pictures such as the module takes. Of views of several
    sizes, those of the first one's are taken. The same at each call, and of any number of processes.
    """
    if context.augment is None:
        return None
    places, maker = spread(context.data.pictures, n), context.views(context.augment)
    taken = _taken(maker, places, context.facts.channels)
    if not taken:
        return None
    chunks, world = torch.split(places, context.batch), current()
    mine = torch.arange(len(chunks)).tensor_split(world.size)[world.rank].tolist()
    own = torch.cat([chunks[i] for i in mine]) if mine else places[:0]
    passes = [_pass(context, maker, own, epoch, mine, taken) for epoch in range(math.ceil(q / len(taken)))]
    rows = torch.cat(passes, dim=1)[:, :q]
    whole = of_all_processes(rows.flatten(1))
    return whole.view(len(whole), q, -1)


def _taken(maker: Views, places: Tensor, channels: int) -> list[int]:
    """Which of a picture's views are pictures, all of one size."""
    for seen in maker.of_pictures(places[:LOOKED_AT], 0, LOOKED_AT):
        fitting = [view.ndim == 4 and view.shape[1] == channels for view in seen.views]
        size = next((view.shape for view, fits in zip(seen.views, fitting, strict=True) if fits), None)
        return [i for i, view in enumerate(seen.views) if fitting[i] and view.shape == size]
    return []


def _pass(
    context: Context, maker: Views, places: Tensor, epoch: int, batches: Sequence[int], taken: Sequence[int]
) -> Annotated[Tensor, "n v d"]:
    """batches: the numbers of those that the places are, among all."""
    rows = [torch.empty(0, len(taken), 0, device=context.device)] if not batches else []
    for seen in maker.of_pictures(places, epoch, context.batch, batches[0]) if batches else ():
        with frozen(context.module, context.device, context.dtype):
            each = [vectors(context.module, _fitted(seen.views[i], context.size)) for i in taken]
        rows.append(torch.stack(each, dim=1))
    return torch.cat(rows)


def _fitted(view: Annotated[Tensor, "b c h w"], size: tuple[int, int] | None) -> Annotated[Tensor, "b c y x"]:
    """A view in the size that the module takes, which may not be the one that it is trained on."""
    if size is not None and tuple(view.shape[-2:]) != tuple(size):
        view = Fit(*size)(view)
    return view.contiguous(memory_format=torch.channels_last)
