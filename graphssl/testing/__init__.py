"""The tests that every component should pass, in one call, for its author.

    from graphssl.testing import check_component

    def test_my_critic() -> None:
        check_component(MyCritic, {"temperature": 0.2})

They hold a component to what the framework builds on: ports that tell the truth, also on the meta device and where
`...` stands for positions; scores that hand on what negatives say of pairs; state in buffers, written by updates and
by nothing else; randomness from `draw`; gradients that flow or are declared not to; scheduled values read where they
are used; `torch.compile(fullgraph=True)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..component import REGISTRY
from .contract import RULES
from .samples import SIZES, Make
from .subject import Subject

__all__ = ["SIZES", "check_component"]


def check_component(
    cls: type[nn.Module],
    config: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    *,
    samples: int = 32,
    sources: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Make] | None = None,
) -> None:
    """Raises AssertionError, which says what is wrong, for a component that breaks a rule of the framework.

    config: the node's entry in a graph file, without `use`. sizes: of letters, where the defaults (`SIZES`) do not
    fit. samples: of the data set. sources: for each `NodeRef` field the module, or list of modules, that it names.
    inputs: makers of a port's tensor from its shape, where a normal one does not fit; ports called `index` and
    `label` get integers, and a component with the trait `view` gets uint8 images.

    A ValueError refuses a combination of values, such as scores without negatives; one must be accepted.
    """
    known = [c for c in REGISTRY.values() if c.cls is cls]
    if not known:
        raise AssertionError(f"{cls.__qualname__} is not registered: put @component('kind.name') above it")
    given = known[0].config(**(config or {}))
    subject = Subject(known[0], given, {**SIZES, **(sizes or {})}, samples, sources or {}, inputs or {})
    for rule in RULES:
        rule(subject)
