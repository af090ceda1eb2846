"""What a queue holds, as vectors."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from graphssl.component import NodeConfig, Sizes, component
from graphssl.ports import Negatives

__all__ = ["Entries"]


@component("context.entries")
class Entries(nn.Module):
    """The entries of a queue as vectors, for a node that takes vectors: negatives `n d` to `n d`.

    SwAV scores the embeddings in its queue with the prototypes, as it does those of the batch (Caron et al. 2020,
    arXiv:2006.09882, section 3.1): `prototypes(entries(queue()))`. Entries must be the same for all samples. Raises
    ValueError where some are picked or masked for each of them, as those of a bank or of the batch are.
    """

    class Config(NodeConfig):
        pass

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()

    def forward(self, negatives: Annotated[Negatives, "n d"]) -> Annotated[Tensor, "n d"]:
        if any(mark is not None for mark in negatives[1:]):
            raise ValueError("these entries are other ones for each sample; those of a queue are the same for all")
        return negatives.entries
