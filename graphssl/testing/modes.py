"""In mixed precision and compiled a component does the same."""

from __future__ import annotations

import torch

from .subject import Subject
from .values import alike, flat, replaced, text


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
