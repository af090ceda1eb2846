"""The section `evaluate:`: what is judged, by which evaluations, and what each takes.

The options of an evaluation stand beside its code, in the room `evaluation/` or in a file of the user's, and are
declared here under its name. So the model of the section is made when it is needed, of all that are declared by then:
`check` finds a wrong option of any of them, at its place, before anything runs. This module needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field, PositiveInt, create_model, field_validator

from .section import Section

__all__ = [
    "Evaluate", "EvaluationConfig", "Monitor", "declare_evaluation", "evaluate_section", "evaluations_asked",
]  # fmt: skip

BUILT_IN = "graphssl.evaluation"  # by its name: it needs torch, and its room comes later


class EvaluationConfig(Section):
    """Base of every evaluation's `Config`: unknown keys are refused, values do not change."""

    def named(self) -> Mapping[str, Any]:
        """The options as figures are told apart by them."""
        return self.model_dump(mode="json", by_alias=True)


class Monitor(Section):
    """Collapse monitors on what critics, or objectives themselves, compare."""

    every: PositiveInt = Field(default=1, description="epochs between two readings")


class Evaluate(Section):
    """`evaluate:` — how it is judged."""

    features: str | list[str] | None = Field(
        default=None,
        description="what is judged on plain images: a node, a value of the flow, or the copy of a node that a moving "
        "average keeps, `target.encoder`; of several each, side by side. Default: the first node that "
        "takes images and learns",
    )
    if TYPE_CHECKING:
        monitor: Monitor | None = None  # `evaluate_section` has it, after the evaluations

    @field_validator("features")
    @classmethod
    def _names_something(cls, features: str | list[str] | None) -> str | list[str] | None:
        if isinstance(features, list) and (not features or len(set(features)) < len(features)):
            raise ValueError("features names what is judged, each once; where nothing is said, the encoder is found")
        return features

    @property
    def named(self) -> tuple[str, ...]:
        """What is judged, as far as that is said."""
        return (self.features,) if isinstance(self.features, str) else tuple(self.features or ())

    @property
    def asked(self) -> dict[str, EvaluationConfig]:
        """The options of the evaluations that are asked for, by name."""
        return {name: value for name, value in self if isinstance(value, EvaluationConfig)}


class _Declared(NamedTuple):
    name: str
    title: str
    config: type[EvaluationConfig]
    default: bool
    kind: type[Any]  # of `evaluation/`, which is built of a config


_DECLARED: dict[str, _Declared] = {}


def declare_evaluation(
    name: str, title: str, config: type[EvaluationConfig], default: bool, kind: type[Any]
) -> None:  # fmt: skip
    """Lets `evaluate:` hold an evaluation's options under its name. title: of its part of the JSON schema. kind: what
    is made of the options.

    default: graphs that say nothing of it have it. To turn this on for an evaluation changes the hash of every graph.
    """
    _DECLARED[name] = _Declared(name, title, config, default, kind)


def forget_evaluation(name: str) -> None:
    """Takes it back, as a test does with one of its own."""
    del _DECLARED[name]


def evaluations_asked(section: Evaluate) -> Iterator[tuple[str, Any]]:
    """The evaluations that are asked for, by name, with their options."""
    return ((name, _DECLARED[name].kind(config)) for name, config in section.asked.items() if name in _DECLARED)


def evaluate_section() -> type[Evaluate]:
    """The model of the section, with the options of every evaluation that is declared, each null where it is off."""
    import_module(BUILT_IN)
    return _section(tuple(_DECLARED.values()))


@cache
def _section(declared: tuple[_Declared, ...]) -> type[Evaluate]:
    fields: dict[str, Any] = {}
    for name, title, config, default, _ in declared:
        model = create_model(title, __base__=config, __doc__=config.__doc__)
        fields[name] = (model | None, model() if default else None)
    fields["monitor"] = (Monitor | None, Monitor())
    return create_model("Evaluate", __base__=Evaluate, __doc__=Evaluate.__doc__, **fields)
