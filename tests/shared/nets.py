"""Networks as a user has them, who knows nothing of graphssl."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Vector(nn.Module):
    """A vector, with batch norm."""

    def __init__(self, width: int = 6, channels: int = 3) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(channels, width, 3, 2, 1), nn.BatchNorm2d(width)

    def maps(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(x)))

    def forward(self, x: Tensor) -> Any:
        return self.maps(x).mean((2, 3))


class Map(Vector):
    def forward(self, x: Tensor) -> Any:
        return self.maps(x)


class Tokens(Vector):
    def forward(self, x: Tensor) -> Any:
        return self.maps(x).flatten(2).transpose(1, 2)


class Outputs(NamedTuple):
    vector: Tensor
    map: Tensor


class Named(Vector):
    def forward(self, x: Tensor) -> Any:
        return Outputs(super().forward(x), self.maps(x))


class Several(Vector):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x), self.maps(x)


class Mapped(Vector):
    def forward(self, x: Tensor) -> Any:
        return {"map": self.maps(x), "vector": super().forward(x)}


class Detached(Vector):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).detach()


class Partly(Vector):
    """A network with a layer that it does not call."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)


class InPlace(Vector):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x.mul_(2))


class Double(Vector):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x).double()


class Exits(Vector):
    def forward(self, x: Tensor) -> Any:
        raise SystemExit(3)


class Lazy(Vector):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.LazyLinear(2)

    def forward(self, x: Tensor) -> Any:
        return self.fc(super().forward(x))


def known() -> nn.Module:
    """A network with lazy layers that knows its sizes."""
    net = Lazy()
    net(torch.zeros(2, 3, 32, 32))
    return net


def half() -> nn.Module:
    return Vector().half()


def sequence(width: int = 6) -> nn.Module:
    """A function that gives a network."""
    return nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
