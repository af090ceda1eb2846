"""What a component says of itself is so: its declaration, its builds, and the axes and marks of its results."""

from __future__ import annotations

from typing import Any

from ..ports import KINDS, Scores
from .subject import INTERNAL, Arguments, Subject
from .values import alike, fits, flat, mark_fits, marks_of, replaced, shapes_of, text

KIND = {kind: cls for cls, kind in KINDS.items()}


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
