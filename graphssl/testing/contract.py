"""What a component is held to, one function a rule; each fails with what is wrong and what would be right."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ..ports import KINDS, Scores
from .samples import alike, fits, flat, mark_fits, marks_of, replaced, shapes_of, text
from .subject import Arguments, Built, Subject

KIND = {kind: cls for cls, kind in KINDS.items()}
INTERNAL = frozenset(vars(nn.Module()))


def declaration(s: Subject) -> None:
    """The class says all that the framework asks."""
    if not s.component.summary:
        s.fail("needs a docstring: its first line is what `graphssl components` prints")
    drawn, taken = hasattr(s.component.cls, "draw"), s.component.forward.draws
    if drawn != taken:
        s.fail("forward takes draws, but there is no draw()" if taken else "draw() is there, but forward has no draws")
    for name, signature in s.component.updates.items():
        if signature.outputs or signature.draws:
            s.fail(f"the update {name} {'takes draws' if signature.draws else 'gives a value'}: nothing can use it")
    views = s.component.views(s.config)
    for port in s.methods["forward"].outputs:
        if port.family and port.name not in views:
            s.fail(f"gives a family of views, and views(config) does not say how many '{port.name}' has")


def building(s: Subject) -> None:
    """Builds are the same from the same seed, also on the meta device; tensors are parameters or buffers."""
    one, two, meta = s.build().module, s.build().module, s.build(device="meta").module
    for module in one.modules():
        for name, value in vars(module).items():
            if name not in INTERNAL and flat(value):
                s.fail(f"'{name}' holds a tensor that is neither saved nor moved to a device: make it a buffer")
    if not alike(one.state_dict(), two.state_dict()):
        s.fail("two builds from one seed differ: initial values come from torch's generator")
    for name, tensor in (*meta.named_parameters(), *meta.named_buffers()):
        if not tensor.is_meta:
            s.fail(f"built on the meta device, '{name}' is on {tensor.device}: let the context choose the device")


def ports(s: Subject) -> None:
    """Results have the axes that the ports say, and on the meta device, where nothing can be read, the same shapes."""
    for method in s.methods:
        for arguments in s.accepted[method]:
            real = s.call(s.build().module, method, arguments)
            try:
                module = s.build(device="meta", schedules=True).module
                inferred = s.call(module, method, replaced(arguments, lambda t: t.to("meta")))
            except Exception as error:
                s.fail(f"{method}({text(arguments)}) does not run on the meta device", error)
            _conforms(s, method, arguments, real)
            shapes = [[(tuple(t.shape), t.dtype) for t in flat(result)] for result in (real, inferred)]
            if shapes[0] != shapes[1]:
                s.fail(f"{method} gives {text(inferred)} on the meta device, but really {text(real)}")


def _conforms(s: Subject, method: str, arguments: Arguments, result: Any) -> None:
    signature, views = s.methods[method], s.component.views(s.config)
    whole = len(signature.outputs) == 1 and not signature.outputs[0].name
    results = [result] if whole else list(result or ())
    if len(results) != len(signature.outputs):
        s.fail(f"{method} gives {len(results)} values, but says {len(signature.outputs)}")
    given = [(p, arguments[p.name]) for p in signature.inputs if p.name in arguments]
    letters: dict[str, int] = {}
    for port, value in [*given, *zip(signature.outputs, results, strict=True)]:
        if port.family and (not isinstance(value, tuple) or len(value) != views.get(port.name, len(value))):
            s.fail(f"{method} gives {text(value)}, which is not a tuple of {views[port.name]} views")
        for member in value if port.family else (value,):
            if not isinstance(member, KIND[port.kind]):
                s.fail(f"{method} says that it gives {port}, but gives a {type(member).__name__}")
            for axes, shape in zip(port.axes, shapes_of(member), strict=False):
                if not fits(axes, shape, letters):
                    known = ", ".join(f"{k} is {v}" for k, v in letters.items() if k in axes)
                    s.fail(f"{method} says {port}, but gives {list(shape)}" + f" where {known}" * bool(known))
            for name, mark in marks_of(member).items():
                if not mark_fits(mark, member):
                    s.fail(f"{method} gives a {name} that does not fit: {text(member)}")


def marks(s: Subject) -> None:
    """Scores say of pairs what negatives, or other scores, said of them."""
    for arguments in s.accepted["forward"]:
        result = s.call(s.build().module, "forward", arguments)
        given = {name for value in arguments.values() for name in marks_of(value)}
        for name in sorted(given - marks_of(result).keys()) if isinstance(result, Scores) else ():
            s.fail(f"drops the {name}: Scores(positive, negative, negatives.mask, negatives.same) hands it on")


def batches(s: Subject) -> None:
    """The size of the batch is not built in."""
    b = 2 * s.sizes["b"]
    for method in s.methods:
        accepted = s.accepts(method, b)
        if len(accepted) != len(s.accepted[method]):
            s.fail(f"{method} takes {s.sizes['b']} samples, but refuses {b}")
        for arguments in accepted:
            _conforms(s, method, arguments, s.call(s.build().module, method, arguments))


def randomness(s: Subject) -> None:
    """The same draws give the same values; draws depend on their generator alone."""
    for arguments in s.accepted["forward"]:
        module = s.build().module
        if s.methods["forward"].draws and not alike(s.draw(module, arguments), s.draw(module, arguments)):
            s.fail("draw() does not depend on its generator alone")
        one, two = (s.call(s.build().module, "forward", arguments) for _ in range(2))
        if not alike(one, two):
            s.fail("the same call gives something else the second time: randomness comes from draw()")


def state(s: Subject) -> None:
    """State is persistent buffers, written by updates; forward writes nothing but the statistics of norms."""
    built = s.build().disturbed()
    for method in s.methods:
        changed: set[tuple[str, str]] = set()
        for arguments in s.accepted[method]:
            versions, before = [t._version for t in flat(arguments)], _seen(built)
            s.call(built.module, method, arguments)
            if versions != [t._version for t in flat(arguments)]:
                s.fail(f"{method} writes to its arguments")
            changed |= {k for k, v in _seen(built).items() if not alike(v, before.get(k))}
        for group, name in sorted(changed):
            _may_change(s, built.module, method, group, name)
        if method != "forward" and not changed:
            s.fail(f"the update {method} changes nothing")


def _seen(built: Built) -> dict[tuple[str, str], Any]:
    """All that a call could change, by group and name."""
    module, saved = built.module, built.module.state_dict()
    seen: dict[tuple[str, str], Any] = {}
    seen |= {("weight" if p.requires_grad else "state", k): p.detach() for k, p in module.named_parameters()}
    seen |= {("state" if k in saved else "attribute", k): b for k, b in module.named_buffers()}
    for path, part in module.named_modules():
        prefix = f"{path}." if path else ""
        seen |= {("attribute", prefix + k): v for k, v in vars(part).items() if k not in INTERNAL}
    for source in built.sources:
        seen |= {("source", k): v for k, v in source.state_dict().items()}
    return dict(replaced(seen, torch.clone))


def _may_change(s: Subject, module: nn.Module, method: str, group: str, name: str) -> None:
    if group == "source":
        s.fail(f"{method} writes to '{name}' of another node")
    if group == "weight":
        s.fail(f"{method} writes to '{name}', which the optimizer trains")
    if group == "attribute":
        s.fail(f"{method} writes to '{name}', which no checkpoint holds: make it a persistent buffer")
    owner = module.get_submodule(name.rpartition(".")[0])
    if method == "forward" and not isinstance(owner, _NormBase) and not type(owner).__module__.startswith("torch."):
        s.fail(f"forward writes to '{name}': a state is written by an update, after the optimizer's step")


def round_trip(s: Subject) -> None:
    """An instance that loads the state_dict goes on as the one that gave it."""
    first, second = s.build(seed=0).disturbed(), s.build(seed=1).disturbed()
    for method in s.component.updates:
        for arguments in s.accepted[method]:
            s.call(first.module, method, arguments)
    second.module.load_state_dict(first.module.state_dict())
    for method in s.methods:
        for arguments in s.accepted[method]:
            one, two = (s.call(built.module, method, arguments) for built in (first, second))
            if not alike(one, two) or not alike(first.module.state_dict(), second.module.state_dict()):
                s.fail(f"{method} does something else once the state_dict is loaded: it does not hold all of the state")


def gradients(s: Subject) -> None:
    """Gradients reach every weight and every float that is taken, and are finite; or never leave, when detached."""
    wanted: set[str] = set()
    reached: set[str] = set()
    for arguments in s.accepted["forward"]:
        outputs, found = _backward(s, s.build().module, arguments)
        if s.component.detached and outputs:
            s.fail("is registered as detached, but its output carries a gradient")
        arrived = {k: g for k, g in found.items() if g is not None}
        if wrong := [k for k, g in arrived.items() if not g.isfinite().all()]:
            s.fail(f"the gradient of {wrong[0]} is not finite for {text(arguments)}")
        wanted |= set(found)
        reached |= set(arrived)
    if wanted - reached and not s.component.detached:
        missing = ", ".join(sorted(wanted - reached))
        s.fail(f"no gradient reaches {missing}: a stop belongs in the graph, or in @component(..., detached=True)")


def _backward(s: Subject, module: nn.Module, arguments: Arguments) -> tuple[list[Tensor], dict[str, Tensor | None]]:
    """What of forward's outputs carries a gradient, and that of a weighted sum at each weight and float taken."""
    given = replaced(arguments, _leaf)
    leaves: dict[str, Tensor] = {f"the weight '{k}'": p for k, p in module.named_parameters() if p.requires_grad}
    for name, value in given.items():
        leaves |= {f"'{name}'" + f"[{i}]" * (i > 0): t for i, t in enumerate(flat(value)) if t.requires_grad}
    outputs = [t for t in flat(s.call(module, "forward", given)) if t.requires_grad]
    if not outputs or not leaves:
        return outputs, dict.fromkeys(leaves)
    # Not ones: the sum of a softmax, or of normalised values, depends on nothing.
    weights = [torch.linspace(1, 2, t.numel(), dtype=t.dtype).view_as(t) for t in outputs]
    found = torch.autograd.grad(outputs, list(leaves.values()), weights, allow_unused=True)
    return outputs, dict(zip(leaves, found, strict=True))


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.clone().requires_grad_() if tensor.is_floating_point() else tensor


def schedules(s: Subject) -> None:
    """What is declared as scheduled is read from the attribute, in the call: for values, or for gradients alone."""
    for name, value in s.scheduled.items():
        both = (value, 0.0 if value > 0.5 else 1.0)
        if alike(*(_told(s, name, now) for now in both)) and alike(*(_pulled(s, name, now) for now in both)):
            s.fail(f"'{name}' may be scheduled, but nothing follows it: read self.{name} where it is used")


def _scheduled(s: Subject, name: str, now: float) -> nn.Module:
    module = s.build(schedules=True).disturbed().module
    getattr(module, name).fill_(now)
    return module


def _told(s: Subject, name: str, now: float) -> list[Any]:
    """All values that a component gives, and its state in the end, when a schedule stands at `now`."""
    module = _scheduled(s, name, now)
    told = [s.call(module, method, a) for method in (*s.methods, "forward") for a in s.accepted[method]]
    return [told, module.state_dict()]


def _pulled(s: Subject, name: str, now: float) -> list[Any]:
    """All gradients that it gives then."""
    module = _scheduled(s, name, now)
    return [_backward(s, module, arguments)[1] for arguments in s.accepted["forward"]]


def half_precision(s: Subject) -> None:
    """Mixed precision: forward runs under autocast, updates take what it gave."""
    for method in s.methods:
        for arguments in s.accepted[method]:
            half = replaced(arguments, lambda t: t.bfloat16() if t.is_floating_point() else t)
            module = s.build().module
            try:
                with torch.autocast("cpu", torch.bfloat16, enabled=method == "forward"):
                    result = s.call(module, method, half)
            except Exception as error:
                s.fail(f"{method}({text(half)}) fails in bfloat16", error)
            if not all(t.isfinite().all() for t in flat([result, module.state_dict()])):
                s.fail(f"{method} gives numbers that are not finite in bfloat16")


def compilation(s: Subject) -> None:
    """One graph, nothing read from the device. The values of schedules are tensors, as they are in a run."""
    for method in s.methods:
        for arguments in s.accepted[method]:
            torch._dynamo.reset()
            eager, compiled = (s.build(schedules=True).disturbed().module for _ in range(2))
            run = torch.compile(getattr(compiled, method), fullgraph=True, backend="aot_eager", dynamic=False)
            try:
                result = s.call(compiled, method, arguments, run)
            except Exception as error:
                s.fail(f"{method} does not go through torch.compile(fullgraph=True)", error)
            if not alike([result, compiled.state_dict()], [s.call(eager, method, arguments), eager.state_dict()]):
                s.fail(f"{method} does something else when compiled")


RULES = (
    declaration, building, ports, marks, batches, randomness, state, round_trip, gradients, schedules, half_precision,
    compilation,
)  # fmt: skip
