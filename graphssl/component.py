"""What a component is.

A component is an `nn.Module` class with a name, a strict config and ports:

    @component("critic.cosine")
    class Cosine(nn.Module):
        class Config(NodeConfig):
            temperature: Scheduled[PositiveFloat] = 0.1

        temperature: float | Tensor              # set by the framework, see below

        def __init__(self, config: Config, sizes: Sizes) -> None: ...
        def forward(self, query: Annotated[Tensor, "b d"], key: Annotated[Tensor, "b d"]) -> ...: ...

- `Config`: a `NodeConfig`. A field declared `Scheduled[...]` becomes an attribute of the built node with the
  same name: a float, or when scheduled a 0-d tensor that the training loop writes before each step. A field
  declared `NodeRef` or `list[NodeRef]` names other nodes; `__init__` gets the modules under the field's name. A
  field declared `Code` names a class or function of the user's, which its `load()` imports.
- `__init__(config, sizes)`: `sizes["d"]` is the size of letter `d`, known from the wiring. Asking for a letter
  that is not known yet makes the framework try again later. Modules are first built on the meta device.
- `forward`, and every method marked `@update`: the ports are their signatures (see `ports`). An update writes
  the node's buffers, after the optimizer step; a component that has one is stateful.
- `skipped: Tensor | None = None`: of a stateful component that writes little of a large state. In float16 a step may
  be skipped, which only the device knows: the attribute is then a 0-d bool while the updates run, and where it is
  true, they leave the node's states as they are. Of other nodes' states a copy is kept, to be put back.
- `parted`, `owned`, `share(rows)`: of a component with a large buffer of rows, of which each of several processes may
  have its part. `parted` names the buffer, or is None; where it is parted the framework takes it away, and sets
  `owned`, a `ports.Owned`, None until then. `share`: how likely a row that it draws is of one part, at most.
- `draw(b, generator, device)`: for a component that is random. It returns a tensor or a tuple of tensors, drawn
  with `generator` on `device` and handed to the method that has a parameter called `draws`. It runs outside the
  compiled region, so that eager, compiled and resumed runs see the same numbers.
- `cuts`: of a component that makes views of `batch.image`, `ports.Cut`s, an attribute of the node. Where pictures have
  sizes of their own, they are cut where they are decoded, and the method gets, in place of the image, what each cut has
  made of the batch: a tuple of uint8 tensors, `(v b) c y x`, view after view. With `cuts_only` it is so for all data.
- `views(config)`: static; for a component with `family` outputs, their lengths by output name.
- `signature(config, of)`: a classmethod that replaces the ports of `forward` where they depend on the config.
- `twins(config, sizes)`: static; by library, torchvision and timm, its network of the same weights (`imports`, `lines`
  that make it as `model`, `renames` of weights), or why there is none: for `graphssl export --to`.
"""

from __future__ import annotations

import inspect
import threading
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin

import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from .code import Code, is_own, own_line
from .errors import RAISED, Problem, Refused, RunError, reason_of, suggest
from .ports import DataFacts, Signature, Sizes, Unbound, signature_of
from .schedule import Schedule, Scheduled

__all__ = [
    "REGISTRY", "Code", "Component", "DataFacts", "NodeConfig", "NodeRef", "Scheduled", "Sizes", "Unbound",
    "build", "component", "discover", "find", "renamed", "schedules_of", "update",
]  # fmt: skip

ENTRY_POINTS = "graphssl.components"
# What a component says of itself, for the rules, which know nothing else of it; with the options of its config that a
# trait gives a meaning. An option that is not there, or is null, is as if the trait did not speak of it.
TRAITS = {
    "attracts": "an objective that only pulls positives together, and so collapses; `attracts` of a node may say no",
    "history": "keeps keys of earlier steps, inconsistent if a fast-moving encoder made them; `size`: how many",
    "in_batch": "takes the other samples of the batch as negatives",
    "bank": "holds an entry for each training sample; `index`, of it and of nodes that name it, is the samples' number",
    "weighted": "draws negatives in proportion to numbers that its `weights` says; uniformly where they are null",
    "average": "a moving average of other nodes; `momentum`: the share of itself that stays in a step",
    "apart": "treats each sample by itself; only batch norm and dropout in it do not; `apart` of a node may say no",
    "rows": "row i of what it gives is of row i of what it takes, of entries and of its state; in its draws too",
    "mean": "an objective that is the mean over the samples of what each costs; `mean` of a node may say no",
    "normed": "has layers with the norm that its `norm` names: batch, split_batch, layer, group or none",
    "view": "makes the views of an image, normalised last",
    "labels": "makes views and draws of each what was done to it: `label`, an integer below the node's `classes`",
    "classifies": "an objective of `logits` and of integers that say which is right, `label`",
    "shares": "gives of each row shares that sum to 1, such as how likely each prototype is",
    "of_shares": "an objective of a `prediction`, logits, and of the `target` that they are to tell, shares",
    "cosine": "a critic whose scores are cosines over its `temperature`",
    "bounded": "a critic whose scores cannot grow without end",
    "bounded_below": "a critic whose scores cannot fall without end",
    "regularises": "a penalty that is smallest where all samples are alike",
    "spreads": "what it gives differs from sample to sample whatever it takes, as whitened embeddings do",
    "distance": "a critic whose scores are minus a distance",
    "of_distances": "an objective on such scores only",
    "masks": "says which patches of a picture are kept and which are hidden, for the nodes that it is given to",
    "uneven": "a mask that hides more of one picture than of another; `.valid` says which hidden patches count",
    "positions": "is told where its tokens stand, and tells others by where those stand",
    "running": "a running statistic, which an update gets from the values that forward is given",
    "fits": "has an update that takes no values and looks at a whole bank, for ends of epochs: `every: epoch`",
    "uniform_noise": "an objective for negatives that are drawn uniformly, each entry as likely as any other",
}

C = TypeVar("C", bound=type[nn.Module])
F = TypeVar("F", bound=Callable[..., Any])


class NodeConfig(BaseModel):
    """Base of every component's `Config`: unknown keys are refused, values do not change.

    turns_off: by option, the value with which what it stands for is not done, for ablations: `{"flip": 0}`.
    leaves_out: options that are lists, each of whose entries can be left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    turns_off: ClassVar[Mapping[str, Any]] = {}
    leaves_out: ClassVar[tuple[str, ...]] = ()


class _Ref:
    """Marks a config field as the name of another node."""


NodeRef = Annotated[str, _Ref()]


@dataclass(frozen=True)
class Component:
    """A registered component: its class, and what the framework reads from it."""

    name: str
    cls: type[nn.Module]
    config: type[NodeConfig]
    forward: Signature
    updates: Mapping[str, Signature]
    detached: bool
    traits: frozenset[str]
    origin: str
    refs: tuple[str, ...] = field(default=())
    formerly: tuple[str, ...] = field(default=())

    @property
    def summary(self) -> str:
        """The first line of the class's own docstring; without one it would be that of `nn.Module`."""
        return inspect.cleandoc(self.cls.__doc__ or "").split("\n", 1)[0]

    def signature(self, config: NodeConfig, of: Mapping[str, Signature]) -> Signature:
        """The ports of `forward` for this config; `of` are those of the nodes that the config names."""
        own = getattr(self.cls, "signature", None)
        return own(config, of) if own else self.forward

    def views(self, config: NodeConfig) -> Mapping[str, int]:
        """The number of views in each family that the component gives, by the output's name."""
        own = getattr(self.cls, "views", None)
        return own(config) if own else {}


REGISTRY: dict[str, Component] = {}
_discovered = False
_discovering = threading.RLock()


class ComponentError(TypeError):
    """A class that is not a component as the module's docstring describes it."""


def component(
    name: str, *, detached: bool = False, traits: tuple[str, ...] = (), formerly: tuple[str, ...] = ()
) -> Callable[[C], C]:
    """Registers a class under `kind.name`.

    detached: the output never carries a gradient (an EMA target, a queue, a bank).
    traits: facts that the checks use; see `TRAITS`.
    formerly: names that it had in earlier versions: a graph that says one is told the name of today.
    """

    if not isinstance(name, str):
        raise ComponentError(f"@component takes a name: @component('kind.name') before {_called(name)}")

    def register(cls: C) -> C:
        config = getattr(cls, "Config", None)
        if not (isinstance(config, type) and issubclass(config, NodeConfig)):
            raise ComponentError(f"{cls.__qualname__} needs a class Config(NodeConfig)")
        if taken := {"use", "recompute"} & set(config.model_fields):
            raise ComponentError(f"{cls.__qualname__}: the key {sorted(taken)[0]} is the framework's, in every node")
        if cls.forward is nn.Module.forward:
            raise ComponentError(f"{cls.__qualname__} needs a method forward, whose signature says its ports")
        forward = signature_of(cls.forward)
        if not forward.outputs:
            raise ComponentError(f'{cls.__qualname__}.forward gives nothing; write -> Annotated[Tensor, "b d"]')
        if unknown := set(traits) - set(TRAITS):
            raise ComponentError(
                f"{cls.__qualname__}: no trait is called {sorted(unknown)}; there are {sorted(TRAITS)}"
            )
        updates = {
            key: signature_of(value)
            for base in reversed(cls.__mro__)
            for key, value in vars(base).items()
            if getattr(value, "__graphssl_update__", False)
        }
        origin = inspect.getsourcefile(cls) or "?"
        known = REGISTRY.get(name)
        if known and (known.origin, known.cls.__qualname__) != (origin, cls.__qualname__):
            raise ComponentError(f"two components are called '{name}': {known.origin} and {origin}")
        REGISTRY[name] = Component(
            name, cls, config, forward, updates, detached, frozenset(traits), origin,
            tuple(key for key, hint in typing.get_type_hints(config, include_extras=True).items() if _is_ref(hint)),
            formerly,
        )  # fmt: skip
        return cls

    return register


def _called(value: Any) -> str:
    return f"class {value.__name__}" if isinstance(value, type) else repr(value)


def update(method: F) -> F:
    """Marks a method that writes the node's state, called from the graph's `update:` section."""
    method.__graphssl_update__ = True  # type: ignore[attr-defined]
    return method


def _is_ref(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        return any(isinstance(m, _Ref) for m in marks) or _is_ref(base)
    return get_origin(hint) is list and _is_ref(get_args(hint)[0])


def discover() -> Mapping[str, Component]:
    """The registry, after loading every package in the entry-point group `graphssl.components`, once."""
    global _discovered
    with _discovering:
        if not _discovered:
            _discovered = True
            for point in metadata.entry_points(group=ENTRY_POINTS):
                _load(point)
    return REGISTRY


def _load(point: metadata.EntryPoint) -> None:
    is_own(point.value)
    try:
        point.load()
    except RAISED as error:
        message = f"the component package '{point.value}' does not load: {type(error).__name__}: {reason_of(error)}"
        raise RunError(Problem(message, own=own_line(error)).render()) from error


def find(name: str) -> Component:
    """The component of that name; raises LookupError with a suggestion."""
    components = discover()
    if name not in components:
        raise LookupError(renamed(name) or suggest(name, components).text or "`graphssl components` lists them")
    return components[name]


def renamed(name: str) -> str | None:
    """What to write in place of a name that a component had; None for any other."""
    now = next((c.name for c in REGISTRY.values() if name in c.formerly), None)
    return now and f"it is called {now} now, and is the same in all else"


def schedules_of(config: NodeConfig) -> dict[str, Schedule[Any]]:
    """The scheduled fields of a config that are in fact scheduled, and not constants."""
    return {k: v for k, v in config if isinstance(v, Schedule)}


def build(
    component: Component | type[nn.Module],
    config: NodeConfig | None = None,
    sizes: Sizes | None = None,
    sources: Mapping[str, Any] | None = None,
    **values: Any,
) -> nn.Module:
    """Builds a node; `values` are config fields by name. Raises `Unbound` where a size is not known.

    sources: for each `NodeRef` field of the config the module, or list of modules, that it names.
    """
    cls = component.cls if isinstance(component, Component) else component
    config = cls.Config(**values) if config is None else config  # type: ignore[attr-defined]  # @component saw to it
    # A mapping without letters is falsy, and still has the facts of the data.
    node: nn.Module = cls(config, Sizes() if sizes is None else sizes, **(sources or {}))
    if "_modules" not in vars(node):
        raise Refused(f"{cls.__qualname__}.__init__ does not call super().__init__()", hint="begin it with that")
    hints = typing.get_type_hints(type(config), include_extras=True)
    for name, hint in hints.items():
        value = getattr(config, name)
        if isinstance(value, Schedule):
            node.register_buffer(name, torch.tensor(float(value.start)), persistent=False)
        elif _takes_schedule(hint) and not hasattr(node, name):
            setattr(node, name, value)
    return node


def _takes_schedule(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return _takes_schedule(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return any(map(_takes_schedule, get_args(hint)))
    return isinstance(hint, type) and issubclass(hint, Schedule)
