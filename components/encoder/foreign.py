"""Networks that were written elsewhere and are a node as they are: the weights keep the names that they have there."""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import nn

from graphssl.component import Sizes
from graphssl.errors import Refused

from ..norms import split_norms

__all__ = ["OWN_NORM", "Foreign", "build_somewhere", "refuse_options", "unknown_name"]


OWN_NORM = Field(  # a config's `norm`
    None,
    description="null: the network's own; split_batch: its batch norms over each of `splits` (8) parts of the batch; "
    "with options it is {use: split_batch, splits: 4}",
)


class Foreign(nn.Module):
    """A component whose instances are networks of another class: `make` builds one, which becomes the node itself.

    Its config has a `norm`, `GivenNorm | None`. The component is made a base of the network's class, in front of it: a
    module around the network would put its own name before those of all weights, which would fit neither the network's
    checkpoints nor its code.
    """

    @classmethod
    def make(cls, config: Any, sizes: Sizes) -> nn.Module:
        """The network."""
        raise NotImplementedError

    def __new__(cls, config: Any = None, sizes: Any = None) -> Any:
        if config is None:  # a copy of an instance, which `copy` fills itself
            return super().__new__(cls)
        net = build_somewhere(lambda: cls.make(config, sizes))
        if isinstance(net, Foreign):
            raise ValueError("the function gives the same network twice, and each node has one of its own")
        if config.norm is not None:
            split_norms(net, config.norm)
        return _with_base(cls, net)

    def __init__(self, config: Any, sizes: Any) -> None:
        """Nothing: the network is made."""


def _with_base(base: type[nn.Module], net: nn.Module) -> nn.Module:
    """The network, of a class that is its own and the base."""
    own = type(net)
    words = {"__module__": own.__module__, "__doc__": own.__doc__}
    try:
        net.__class__ = types.new_class(own.__name__, (base, own), exec_body=lambda body: body.update(words))
    except TypeError as error:
        raise ValueError(f"a {own.__name__} cannot be a node: {error}") from error
    return net


def build_somewhere(make: Callable[[], Any]) -> Any:
    """What `make` builds; on the meta device, where no number can be read, by way of the CPU if it has to read one."""
    try:
        return make()
    except (RuntimeError, NotImplementedError):
        if not torch.empty(0).is_meta:
            raise
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        return make().to("meta")


def refuse_options(options: Mapping[str, Any], reasons: Mapping[str, str]) -> None:
    """Raises Refused for the first option that is not the user's to give; reasons: by option, what says it instead."""
    for name in options:
        if name in reasons:
            raise Refused(f"'{name}' is no option here: {reasons[name]}", "options")


def unknown_name(library: str, kind: str, name: str, known: Sequence[str], lister: str) -> Refused:
    """What to say of a name that a library does not have (what follows a dot is no part of it). lister: of `known`."""
    near = difflib.get_close_matches(name.partition(".")[0].lower(), known, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"{lister} lists them"
    return Refused(f"{library} has no {kind} '{name}'", "name", hint)
