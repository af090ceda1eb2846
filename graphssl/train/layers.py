"""Rates of a node's layers: each is a factor below that of the layer after it (`train.nodes.encoder.layer_decay`).

Bao et al. 2022, arXiv:2106.08254 (BEiT), and He et al. 2022, arXiv:2111.06377, appendix (MAE): of L blocks, block i has
the rate times decay^(L + 1 - i), the embeddings decay^(L + 1), and what follows the blocks the whole of it.
"""

from __future__ import annotations

from torch import nn

from ..errors import RunError
from ..graph import spec
from ..graph.layers import layers_of

__all__ = ["layer_scales"]


def layer_scales(root: nn.Module, train: spec.Train) -> dict[nn.Parameter, float]:
    """The factors on the rates of the parameters of nodes with `layer_decay`; root: the graph's nodes by name."""
    scales: dict[nn.Parameter, float] = {}
    for name, own in train.nodes.items():
        if own.layer_decay is None:
            continue
        node = root.get_submodule(name)
        layers = layers_of(node)
        if layers is None:
            raise RunError(f"layer_decay: the layers of '{name}' have no order that is known")
        last = max(layers.values())
        for parameter_name, parameter in node.named_parameters():
            scales[parameter] = own.layer_decay ** (last - layers[parameter_name])
    return scales
