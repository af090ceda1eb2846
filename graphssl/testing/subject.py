"""A component under test: how it is built, and called as a step calls it."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Any, NamedTuple, NoReturn

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from ..component import Component, DataFacts, NodeConfig, Sizes, Unbound, build
from ..ports import Port, Signature, signature_of
from ..schedule import Schedule
from .samples import OTHER, POSITIONS, Make, options
from .values import flat, text

Arguments = Mapping[str, Any]
CLASSES = 10
INTERNAL = frozenset(vars(nn.Module()))  # attributes that every module has


class Built(NamedTuple):
    """A component, and copies of the nodes that its config names."""

    module: nn.Module
    sources: list[nn.Module]

    def disturbed(self) -> Built:
        """Moves the weights of those nodes, so that what follows them has something to follow."""
        with torch.no_grad():
            for weight in (p for m in self.sources for p in m.parameters()):
                weight.add_(0.1)
        return self


@dataclass(frozen=True)
class Subject:
    """What `check_component` was given."""

    component: Component
    config: NodeConfig
    sizes: Mapping[str, int]
    samples: int
    sources: Mapping[str, Any]
    makers: Mapping[str, Make]

    def fail(self, what: str, error: Exception | None = None) -> NoReturn:
        reason = f": {type(error).__name__}: {(str(error).strip() or '-').splitlines()[0]}" if error else ""
        raise AssertionError(f"{self.component.name}: {what}{reason}") from error

    # -- building ------------------------------------------------------------------------------------------

    @cached_property
    def methods(self) -> Mapping[str, Signature]:
        """The ports of `forward`, for this config, and of each update."""
        of = {}
        for ref in self.component.refs:
            names, modules = _listed(getattr(self.config, ref)), _listed(self.sources[ref])
            of.update({n: signature_of(type(m).forward) for n, m in zip(names, modules, strict=True)})
        return {"forward": self.component.signature(self.config, of), **self.component.updates}

    @cached_property
    def letters(self) -> Sizes:
        """What the wires of a graph would say."""
        c, h, w = (self.sizes.get(k, OTHER) for k in "chw")
        words = {word for s in self.methods.values() for p in s.inputs for axes in p.axes for word in axes}
        known = {word: self.sizes.get(word, OTHER) for word in words if word.isalpha() and word != "b"}
        return Sizes(known, DataFacts(c, h, w, self.samples, CLASSES))

    @cached_property
    def scheduled(self) -> Mapping[str, float]:
        """The fields that may be scheduled, with their values."""
        numbers = {k: v for k, v in self.config if isinstance(v, int | float)}
        found = {}
        for key, value in numbers.items():
            with suppress(ValidationError):
                if isinstance(getattr(self._changed({key: value}), key), Schedule):
                    found[key] = float(value)
        return found

    def _changed(self, values: Mapping[str, float]) -> NodeConfig:
        """The config with schedules that stay at these values."""
        schedules = {k: {"from": v, "to": v} for k, v in values.items()}
        return type(self.config)(**{**self.config.model_dump(by_alias=True), **schedules})

    def build(self, seed: int = 0, device: str = "cpu", schedules: bool = False) -> Built:
        config = self._changed(self.scheduled) if schedules else self.config
        sources = copy.deepcopy(dict(self.sources))
        named = [m.to(device) for value in sources.values() for m in _listed(value)]
        try:
            with torch.random.fork_rng(devices=[]), torch.device(device):
                torch.manual_seed(seed)
                return Built(build(self.component, config, self.letters, sources).train(), named)
        except Unbound as letter:
            self.fail(f"asks for the size of '{letter}', which no port that it takes has")
        except Exception as error:
            self.fail("cannot be built" + " on the meta device" * (device == "meta"), error)

    # -- calling -------------------------------------------------------------------------------------------

    def call(
        self, module: nn.Module, method: str, arguments: Arguments, run: Callable[..., Any] | None = None,
        draws: Any = None,
    ) -> Any:  # fmt: skip
        """A call as the program makes it: by position up to a port that is left out, by name after it.

        draws: default those that it draws for the batch.
        """
        args: list[Any] = []
        named: dict[str, Any] = {}
        for i, port in enumerate(self.methods[method].inputs):
            if port.name in arguments and len(args) == i:
                args.append(arguments[port.name])
            elif port.name in arguments:
                named[port.name] = arguments[port.name]
        if hasattr(module, "cuts_only") and not args[0].is_meta:
            args[0] = _cut(module, args[0])
        with torch.random.fork_rng(devices=[]), torch.set_grad_enabled(method == "forward"):
            torch.manual_seed(2)
            if self.methods[method].draws:
                named["draws"] = self.draw(module, arguments) if draws is None else draws
            return (run or getattr(module, method))(*args, **named)

    def draw(self, module: nn.Module, arguments: Arguments) -> Any:
        ports = [p for p in self.methods["forward"].inputs if p.name in arguments and p.axes[0][:1] == ("b",)]
        batch = flat(arguments[ports[0].name])[0] if ports else torch.empty(self.sizes["b"])
        generator = None if batch.is_meta else torch.Generator().manual_seed(3)
        return module.draw(len(batch), generator, batch.device)  # type: ignore[operator]

    @cached_property
    def accepted(self) -> Mapping[str, list[Arguments]]:
        """For each method the combinations that it does not refuse, of what its ports may get."""
        return {method: self.accepts(method, self.sizes["b"]) for method in self.methods}

    def accepts(self, method: str, b: int) -> list[Arguments]:
        """The combinations that a method does not refuse for a batch of b samples."""
        accepted: list[Arguments] = []
        refusal = None
        for arguments in self._combinations(method, b):
            try:
                self.call(self.build().module, method, arguments)
                accepted.append(arguments)
            except ValueError as error:
                refusal = error
            except Exception as error:
                self.fail(f"{method}({text(arguments)}) fails", error)
        if not accepted:
            self.fail(f"{method} refuses all that its ports take", refusal)
        return accepted

    def _combinations(self, method: str, b: int) -> Iterator[Arguments]:
        """What the ports of a method may get together; where an axis is `...`, without positions and with them."""
        generator, sizes = torch.Generator().manual_seed(1), {**self.sizes, "b": b}
        ports = self.methods[method].inputs
        anywhere = any("..." in axes for port in ports for axes in port.axes)
        for positions in ((), POSITIONS) if anywhere else ((),):
            choices = [list(options(p, self._maker(p, generator), sizes, generator, positions)) for p in ports]
            if positions:  # a matter of shapes, which the barest and the fullest of each port's values show
                choices = [c[:1] + c[1:][-1:] for c in choices]
            for values in itertools.product(*choices):
                yield {p.name: v for p, v in zip(ports, values, strict=True) if v is not None}

    def _maker(self, port: Port, generator: torch.Generator) -> Make:
        """What makes the tensors of a port."""
        if port.name in self.makers:
            return self.makers[port.name]
        if port.name in ("index", "label"):
            return partial(torch.randint, self.samples if port.name == "index" else CLASSES, generator=generator)
        if "view" in self.component.traits:
            return partial(torch.randint, 256, dtype=torch.uint8, generator=generator)
        return partial(torch.randn, generator=generator)


def _cut(module: Any, image: Annotated[Tensor, "b c h w"]) -> tuple[Tensor, ...]:
    """What a node's cuts make of a batch, as it is read."""
    generator = torch.Generator().manual_seed(4)
    made = []
    for cut in module.cuts:
        uniform = torch.rand((len(image), cut.views, cut.numbers), generator=generator)
        views = [cut(picture, own) for picture, own in zip(image, uniform, strict=True)]
        made.append(torch.stack(views, 1).flatten(0, 1))
    return tuple(made)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
