"""What a component is held to: one function a rule, which fails with what is wrong and what would be right."""

from __future__ import annotations

from .declared import batches, building, declaration, marks, ports
from .gradients import gradients, schedules
from .modes import compilation, half_precision
from .rows import samples_apart
from .state import randomness, round_trip, state

RULES = (
    declaration, building, ports, marks, batches, samples_apart, randomness, state, round_trip, gradients, schedules,
    half_precision, compilation,
)  # fmt: skip
