"""What of a node trains: all of it, none with `freeze: true`, or with `train: layer4` the parts that are named.

What does not train stays as it is: its parameters take no gradient, and its modules are in eval mode all along, so that
batch norm keeps its running statistics and takes them, and dropout drops nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence

from torch import nn

__all__ = ["hold", "is_part", "names_of"]


def hold(node: nn.Module, trained: Sequence[str] = ()) -> nn.Module:
    """The same node, of which only the parts of these names train: a module's, or a parameter's."""
    for name, parameter in node.named_parameters():
        if not is_part(name, trained):
            parameter.requires_grad_(False)
    for module in _held(node, {name for name in names_of(node) if is_part(name, trained)}):
        module.__class__ = _holding(type(module))  # type: ignore[arg-type]  # a class is hashable
        module.eval()
    return node


def names_of(node: nn.Module) -> list[str]:
    """The names of a node's parameters and of its state."""
    return list(dict.fromkeys([*(name for name, _ in node.named_parameters()), *node.state_dict()]))


def is_part(name: str, parts: Collection[str]) -> bool:
    """Whether something is one of the parts, or in one."""
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def _held(module: nn.Module, trained: Collection[str], path: str = "") -> Iterator[nn.Module]:
    """The outermost modules that have something, of which nothing trains; of a node that does not train, itself."""
    inside = f"{path}." if path else ""
    if not any(name.startswith(inside) for name in trained):
        if not path or names_of(module):
            yield module
        return
    for key, child in module.named_children():
        yield from _held(child, trained, f"{inside}{key}")


@functools.cache
def _holding(cls: type[nn.Module]) -> type[nn.Module]:
    """A class like `cls` that is never in training mode. Its instances stay those of `cls`."""

    def train(self: nn.Module, mode: bool = True) -> nn.Module:
        return cls.train(self, False)

    return type(cls.__name__, (cls,), {"train": train, "__module__": cls.__module__, "__doc__": cls.__doc__})
