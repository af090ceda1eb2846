"""A residual network that pads nothing, so that features see no more of an image than they should: AMDIM's encoder."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from graphssl.component import NodeConfig, Sizes, component

from ..norms import Builder, MapNorm, map_norm

__all__ = ["Scales", "Unpadded"]

SIZES = (32, 64, 128)  # px
NOISE = 0.01


class Scales(NamedTuple):
    """Embeddings of one size, of the whole image and of its regions."""

    vector: Annotated[Tensor, "b d"]
    five: Annotated[Tensor, "b d 5 5"]
    seven: Annotated[Tensor, "b d 7 7"]


@component("encoder.unpadded", traits=("apart", "normed"), formerly=("encoder.amdim",))
class Unpadded(nn.Module):
    """Residual blocks without padding: `b c h w` to a vector `b d` and maps of 5 x 5 and 7 x 7.

    They are `h.vector`, `h.five`, `h.seven`. AMDIM's encoder: Bachman et al. 2019, arXiv:1906.00910, section 3, and the
    authors' code. Residual blocks of 4x4 and 2x2 convolutions of stride 2 lead to 7 x 7, then one of 3x3 to 5 x 5, and
    two to 1 x 1. Without padding no feature sees all of an image but the last, so that agreement with the maps is not
    trivial. Maps get embeddings of the vector's size from a small block of 1x1 convolutions each. Images are 32, 64 or
    128 px, square, of `c` channels, normalised; other sizes raise ValueError. The authors' defaults, for CIFAR-10 with
    `depth: 10`.
    """

    class Config(NodeConfig):
        width: PositiveInt = Field(128, description="channels of the first blocks: the authors' ndf")
        out: PositiveInt = Field(
            1024,
            description="d, the size of all embeddings: the authors' n_rkhs; at least 4 * width, from 64 px 8 * width",
        )
        depth: PositiveInt = Field(3, description="convolutions of a block, those after the first 1x1: n_depth")
        norm: MapNorm = Field(
            "batch", description="after the last layers: batch; split_batch; group; as for encoder.resnet"
        )
        hidden_norm: bool = Field(False, description="the norm inside of the blocks too: use_bn")

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__()
        px, norm, d = sizes["h"], map_norm(config.norm), config.out
        if px != sizes["w"] or px not in SIZES:
            size = f"{px} x {sizes['w']} px"
            raise ValueError(
                f"the unpadded encoder takes square images of 32, 64 or 128 px, and these are {size}: "
                "set the augmentation's size"
            )
        inner = norm if config.hidden_norm else nn.Identity
        top = (4 if px == 32 else 8) * config.width
        if d < top:
            raise ValueError(f"out is {d}, and may not be less than the {top} channels of the maps")
        self.seven = _trunk(sizes["c"], config.width, px, config.depth, inner)
        self.five = _stage(top, top, 3, 1, config.depth, inner)
        self.one = nn.Sequential(
            _stage(top, top, 3, 1, config.depth, inner), Residual(top, d, 3, 1, inner), norm(d), nn.Flatten()
        )
        self.embed_five, self.embed_seven = Embedding(top, d, inner, norm), Embedding(top, d, inner, norm)

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Scales:
        seven = self.seven(image)
        five = self.five(seven)
        return Scales(self.one(five), self.embed_five(five), self.embed_seven(seven))


class Residual(nn.Module):
    """Convolution, ReLU and 1x1 convolution, plus the input: averaged, and zeros for further channels."""

    def __init__(self, c: int, e: int, kernel: int, stride: int, norm: Builder) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c, e, kernel, stride, bias=False)
        self.norm1 = norm(e)
        self.conv2 = nn.Conv2d(e, e, 1, bias=False)
        nn.init.zeros_(self.conv2.weight)
        self.kernel, self.stride, self.more = kernel, stride, e - c

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(functional.relu(self.norm1(self.conv1(x))))
        shortcut = functional.avg_pool2d(x, self.kernel, self.stride)
        return y + functional.pad(shortcut, (0, 0, 0, 0, 0, self.more))


class Embedding(nn.Module):
    """Two 1x1 convolutions with a ReLU between them, plus a linear shortcut that starts as the input, then a norm."""

    def __init__(self, c: int, d: int, inner: Builder, norm: Builder) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c, d, 1, bias=False)
        self.norm1 = inner(d)
        self.conv2 = nn.Conv2d(d, d, 1, bias=False)
        self.shortcut = nn.Conv2d(c, d, 1)
        self.norm2 = norm(d)
        nn.init.zeros_(self.conv2.weight)
        nn.init.uniform_(self.shortcut.weight, -NOISE, NOISE)
        self.shortcut.weight.data[:, :, 0, 0].fill_diagonal_(1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))) + self.shortcut(x))
        return y


def _stage(c: int, e: int, kernel: int, stride: int, depth: int, norm: Builder) -> nn.Sequential:
    rest = (Residual(e, e, 1, 1, norm) for _ in range(depth - 1))
    return nn.Sequential(Residual(c, e, kernel, stride, norm), *rest)


def _trunk(c: int, w: int, px: int, depth: int, norm: Builder) -> nn.Sequential:
    """The layers up to the map of 7 x 7."""
    layers: list[nn.Module] = []
    if px == 128:
        layers += [nn.Conv2d(c, w, 5, 2, 2, padding_mode="reflect"), nn.ReLU(inplace=True)]
        c = w
    layers += [nn.Conv2d(c, w, 3), nn.ReLU(inplace=True)]
    if px == 32:
        layers.append(Residual(w, w, 1, 1, norm))
    else:
        layers.append(_stage(w, 2 * w, 4, 2, depth, norm))
        w = 2 * w
    return nn.Sequential(
        *layers, _stage(w, 2 * w, 4, 2, depth, norm), _stage(2 * w, 4 * w, 2, 2, depth, norm), norm(4 * w)
    )
