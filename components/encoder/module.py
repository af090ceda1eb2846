"""The user's own network: a plain nn.Module, with ports that are found from what it gives."""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
import json
from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from graphssl.component import Code, NodeConfig, Sizes, component
from graphssl.errors import RAISED, Refused, reason_of
from graphssl.ports import Axes, Port, Signature, signature_of

from ..norms import GivenNorm
from .foreign import OWN_NORM, Foreign, build_somewhere

__all__ = ["Module"]

SIZES = (224, 32, 64, 96, 128, 28, 256, 384, 512)  # px of the images that are tried
CHANNELS = (3, 1, 2, 4)
B = 3  # images of such a batch
AXES = {2: "bd", 3: "btd", 4: "berk"}  # what an output of so many axes is: a vector, tokens, a map


@component("encoder.module", traits=("normed",))
class Module(Foreign):
    """A network of the user's own, a plain `nn.Module`: `b c h w` to what it gives, a vector `b d` or a map `b e r k`.

    `path` names its class, or a function that returns one: `./net.py:Net`, a file beside the graph, or
    `mylab.nets:Net`, an installed package's. Nothing else is imported, and `graphssl run` says that it is. The network
    takes images of `c` channels, normalised, and is the node itself: weights keep its own names.

    Its outputs are found without data, by a run on tensors of no content: one tensor, `b d`, tokens `b t d` or a map
    `b e r k`; of a NamedTuple or a dict by its names, `h.vector`; of a tuple `h.out0`, `h.out1`. Where that cannot be
    found, as the network takes images of one size only, `outputs` says it.
    """

    class Config(NodeConfig):
        path: Code = Field(description="a class or function: ./net.py:Net, from the graph's file, or mylab.nets:Net")
        options: dict[str, Any] = Field({}, description="arguments of the class or function, by name")
        outputs: str | dict[str, str] | None = Field(
            None, description="axes of what it gives: b d, or by name {vector: b d, map: b e r k}; null: found"
        )
        norm: GivenNorm | None = OWN_NORM

        @field_validator("outputs")
        @classmethod
        def _axes(cls, outputs: Any) -> Any:
            for text in [outputs] if isinstance(outputs, str) else (outputs or {}).values():
                words = text.split()
                if words[:1] != ["b"] or len(set(words)) < len(words) or not all(w.isidentifier() for w in words):
                    raise ValueError(f"'{text}' are no axes of a batch; write b d, b t d or b e r k")
            if isinstance(outputs, dict) and not (outputs and all(n.isidentifier() for n in outputs)):
                raise ValueError("outputs are named by words: {vector: b d, map: b e r k}")
            return outputs

    _outputs: Any

    @classmethod
    def signature(cls, config: Config, of: Mapping[str, Signature]) -> Signature:
        """The outputs that `outputs` says, or that a run without data gives. Raises Refused where none does."""
        return replace(signature_of(cls.forward), outputs=_outputs(config))

    @classmethod
    def make(cls, config: Config, sizes: Sizes) -> nn.Module:
        net = _make(config.path, config.options)
        names = [port.name for port in _outputs(config)]
        net._outputs = None if names == [""] else namedtuple("Outputs", names)  # type: ignore[assignment]
        return net

    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b ..."]:
        given: Any = super().forward(image)
        if self._outputs is None:
            return given  # type: ignore[no-any-return]  # what `signature` says, here and below
        parts = [given[name] for name in self._outputs._fields] if isinstance(given, Mapping) else given
        return self._outputs(*parts)  # type: ignore[no-any-return]


def _make(path: Code, options: Mapping[str, Any]) -> nn.Module:
    """The user's network. Raises Refused, with the place in the user's file, where it cannot be made."""
    try:
        made = path.load()
    except ValueError as error:
        raise Refused(str(error), "path") from error
    if not callable(made):
        raise Refused(f"'{path.text}' is no class and no function", "path")
    try:
        net = build_somewhere(lambda: _own(made(**options), inspect.isclass(made)))
    except RAISED as error:
        raise Refused(f"'{path.text}' cannot be made: {_told(error)}", "options" if options else "path") from error
    if not isinstance(net, nn.Module):
        raise Refused(f"'{path.text}' gives no nn.Module: its type is {type(net).__name__}", "path")
    _check_weights(path, net)
    return net


def _own(made: Any, is_new: bool) -> Any:
    """What a class or function gives, as the node's own: a copy, where it may be there for others too.

    A function may give a network that its file has made once, which stays as it is, on its device.
    """
    if not isinstance(made, nn.Module):
        return made
    try:
        made = made if is_new else copy.deepcopy(made)
    except Exception:  # not every module can be copied; of two nodes with the same one, `Foreign` tells
        return made
    return made.to("meta") if torch.empty(0).is_meta else made


def _check_weights(path: Code, net: nn.Module) -> None:
    """Raises Refused for weights without a size, and for those that are no float32."""
    named = [*net.named_parameters(), *net.named_buffers()]
    if lazy := [name for name, tensor in named if is_lazy(tensor)]:
        hint = (
            "say sizes, nn.Linear(512, 64) for nn.LazyLinear(64); or run it on zeros once in the function that makes it"
        )
        raise Refused(f"'{path.text}' has weights of no size yet, of lazy layers: {', '.join(lazy)}", "path", hint)
    for name, parameter in net.named_parameters():
        if parameter.dtype != torch.float32:
            kind = str(parameter.dtype).removeprefix("torch.")
            hint = "leave out .half(), .double() and dtype=; train.precision says what is computed in"
            raise Refused(f"'{path.text}' has weights of {kind} ({name}), and a node's are float32", "path", hint)


def _told(error: BaseException) -> str:
    """What went wrong; where in the user's file is told of what it is raised from."""
    kind, reason = type(error).__name__, reason_of(error)
    return kind if reason == kind else f"{kind}: {reason}"


# -- outputs ---------------------------------------------------------------------------------------------------------


def _outputs(config: Module.Config) -> tuple[Port, ...]:
    """The ports of what the network gives."""
    if isinstance(config.outputs, str):
        return (Port("", "tensor", (tuple(config.outputs.split()),)),)
    if config.outputs:
        return tuple(Port(name, "tensor", (tuple(text.split()),)) for name, text in config.outputs.items())
    return _found(config.path, json.dumps(config.options, sort_keys=True))


@functools.cache
def _found(path: Code, options: str) -> tuple[Port, ...]:
    """The ports of what a run on the meta device gives. options: as JSON."""
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        result = _run(path, _make(path, json.loads(options)))
    if isinstance(result, Tensor):
        return (Port("", "tensor", (_axes_of(path, "it", result, ""),)),)
    if isinstance(result, Mapping):
        named = dict(result)
    elif isinstance(result, Sequence):
        named = dict(zip(getattr(result, "_fields", [f"out{i}" for i in range(len(result))]), result, strict=True))
    else:
        named = {}
    if not named or not all(isinstance(n, str) and n.isidentifier() for n in named):
        raise _refused(path, f"it gives no tensor and no tensors by name: the type is {type(result).__name__}")
    return tuple(
        Port(name, "tensor", (_axes_of(path, f"'{name}'", value, str(i) if i else ""),))
        for i, (name, value) in enumerate(named.items())
    )


def _run(path: Code, net: nn.Module) -> Any:
    """What the network gives of the first images that it takes."""
    first: BaseException | None = None
    with torch.no_grad():
        for channels, px in itertools.product(dict.fromkeys([*_channels(net), *CHANNELS]), SIZES):
            try:
                return net(torch.empty(B, channels, px, px, device="meta"))
            except RAISED as error:
                first = first or error
    assert first is not None
    raise _refused(path, f"its outputs cannot be found by a run without data: {_told(first)}") from first


def _channels(net: nn.Module) -> Iterator[int]:
    """The channels that the first convolution takes, if there is one."""
    yield from (m.in_channels for m in net.modules() if isinstance(m, nn.Conv2d))


def _axes_of(path: Code, what: str, value: Any, number: str) -> Axes:
    """Axes of an output, by letters of its own."""
    if not isinstance(value, Tensor):
        raise _refused(path, f"{what} is no tensor: its type is {type(value).__name__}")
    if value.ndim not in AXES or len(value) != B:
        raise _refused(path, f"{what} is {list(value.shape)} for {B} images, and no b d, b t d or b e r k")
    return ("b", *(letter + number for letter in AXES[value.ndim][1:]))


def _refused(path: Code, message: str) -> Refused:
    hint = "`outputs` says what it gives, as in outputs: b d, or outputs: {vector: b d, map: b e r k}"
    return Refused(f"'{path.text}': {message}", "path", hint)
