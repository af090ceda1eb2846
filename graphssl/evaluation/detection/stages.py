"""What of an encoder makes feature maps: its parts in their order, cut where maps become smaller."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, fx, nn

from ...errors import RAISED

__all__ = ["Stages", "stages_of"]

PROBE = (128, 192)  # px, rows and columns of the picture by which maps are known: of powers of two, and not square
MOST = 4  # maps that a pyramid is built on
HELP = (
    "encoder.resnet, and of encoder.torchvision and encoder.timm the convolutional networks, such as resnet50 and "
    "convnext_tiny, give them; so does a network of one's own with a method maps(image), which gives maps by name, the "
    "finest first"
)


@dataclass(frozen=True)
class Stages:
    """A copy of a network in parts that are run one after another: the stem, then one for each map.

    channels, strides: of each map. residual: whether the last part can be the head of boxes, as in a network with C4.
    """

    parts: tuple[nn.Module, ...]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    residual: bool = False

    def maps(self, image: Annotated[Tensor, "b c h w"]) -> list[Tensor]:
        """After each part but the stem, the finest first."""
        return run_parts(self.parts, image)


def run_parts(parts: Sequence[nn.Module], image: Tensor) -> list[Tensor]:
    """What each part but the stem makes. A part may be a whole network, which gives all maps at once."""
    if isinstance(parts[0], _Whole):
        found: list[Tensor] = parts[0](image)
        return found
    x, found = parts[0](image), []
    for part in parts[1:]:
        found.append(x := part(x))
    return found


class _Whole(nn.Module):
    """A network that gives its maps by a call. names: of those that are taken."""

    def __init__(self, network: nn.Module, first: int = 0) -> None:
        super().__init__()
        self.network, self.first = network, first

    def forward(self, image: Tensor) -> list[Tensor]:
        network: Any = self.network
        if callable(getattr(network, "maps", None)):
            return list(network.maps(image).values())[self.first :]
        found: list[Tensor] = network.forward_intermediates(image, intermediates_only=True, output_fmt="NCHW")
        return found[self.first :]


def stages_of(network: nn.Module | None, channels: int) -> Stages | str:
    """The stages of a copy of a network, or why it has none; also without data (meta). channels: of its pictures."""
    if network is None or isinstance(network, fx.GraphModule):
        return "it is a value of the flow, and detection takes a network: name the node in evaluate.features"
    network = copy.deepcopy(network).requires_grad_(True)
    parts = _residual(network)
    if parts is not None:
        return _measured(parts, channels, residual=True)
    chain = getattr(network, "features", None)
    if isinstance(chain, nn.Sequential):
        return _of_chain(chain, channels)
    if callable(getattr(network, "maps", None)) or callable(getattr(network, "forward_intermediates", None)):
        return _of_whole(network, channels)
    return f"no feature maps can be had of a {type(network).__name__}; {HELP}"


def _residual(network: Any) -> tuple[nn.Module, ...] | None:
    """Stem and four stages of torchvision's and timm's residual networks."""
    names = ("conv1", "bn1", "maxpool", "layer1", "layer2", "layer3", "layer4")
    if not all(isinstance(getattr(network, name, None), nn.Module) for name in names):
        return None
    act = getattr(network, "relu", None) or getattr(network, "act1", None) or nn.Identity()
    stem = nn.Sequential(network.conv1, network.bn1, act, network.maxpool)
    return stem, network.layer1, network.layer2, network.layer3, network.layer4


def _probed(parts: Sequence[nn.Module], channels: int) -> list[Tensor] | str:
    """The maps of a picture without content, or why there are none."""
    device = next((p.device for part in parts for p in part.parameters()), torch.device("cpu"))
    image = torch.zeros(1, channels, *PROBE, device=device)
    modes = [(m, m.training) for part in parts for m in part.modules()]
    try:
        for part in parts:
            part.eval()
        with torch.no_grad():
            found = run_parts(parts, image)
    except RAISED:
        return (
            f"it does not take pictures of {PROBE[0]} x {PROBE[1]} px, and detection has pictures of any size; {HELP}"
        )
    finally:
        for module, mode in modes:
            module.training = mode
    return found


def _stride(map: Any) -> int | None:
    """Of a map `b c r k`; None where it is none, or not the picture's in small."""
    if not isinstance(map, Tensor) or map.ndim != 4:
        return None
    rows, columns = map.shape[2:]
    stride = max(round(PROBE[0] / rows), 1)
    near = abs(rows * stride - PROBE[0]) < stride and abs(columns * stride - PROBE[1]) < stride
    return stride if near and stride & (stride - 1) == 0 else None


def _measured(parts: Sequence[nn.Module], channels: int, residual: bool = False) -> Stages | str:
    maps = _probed(parts, channels)
    if isinstance(maps, str):
        return maps
    strides = [_stride(map) for map in maps]
    if len(maps) < 2 or None in strides or any(a >= b for a, b in itertools.pairwise(strides)):  # type: ignore[operator]
        return f"its maps are not each coarser than the one before, as those of a convolutional network are; {HELP}"
    widths = tuple(map.shape[1] for map in maps)
    return Stages(tuple(parts), widths, tuple(int(s) for s in strides if s), residual)


def _of_chain(chain: nn.Sequential, channels: int) -> Stages | str:
    """Of a network whose `features` are run one after another: a stage ends where the next part makes maps smaller."""
    made = _probed([nn.Identity(), *chain], channels)
    if isinstance(made, str):
        return made
    strides = [_stride(map) for map in made]
    if None in strides:
        return f"what its `features` make are no maps; {HELP}"
    groups = [list(group) for _, group in itertools.groupby(range(len(made)), key=lambda i: strides[i])]
    parts = [nn.Sequential(*(chain[i] for i in group)) for group in groups]
    stem = parts[: max(len(parts) - MOST, 0)]
    return _measured([nn.Sequential(*stem), *parts[-MOST:]], channels)


def _of_whole(network: nn.Module, channels: int) -> Stages | str:
    maps = _probed([_Whole(network)], channels)
    return maps if isinstance(maps, str) else _measured([_Whole(network, max(len(maps) - MOST, 0))], channels)
