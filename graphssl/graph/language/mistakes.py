"""One of pydantic's errors: where its value stands in the data, what was expected of it, and in plain words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from .choices import options_at, path_in

__all__ = ["EXPECTED", "LISTS", "MAPPINGS", "NUMBERS", "Mistake", "choices_in", "listed", "shown"]

# By pydantic's kinds of errors: what a value should do. The kinds whose names end in `_type` are of another type.
EXPECTED = {
    "string_type": "be text",
    "int_type": "be a whole number",
    "int_from_float": "be a whole number",
    "int_parsing_size": "be a smaller number",
    "float_type": "be a number",
    "finite_number": "be a finite number",
    "bool_type": "be true or false",
    "list_type": "be a list",
    "tuple_type": "be a list",
    "dict_type": "be a mapping",
    "model_type": "be a mapping",
    "model_attributes_type": "be a mapping",
    "greater_than": "be greater than {gt}",
    "greater_than_equal": "be greater than or equal to {ge}",
    "less_than": "be less than {lt}",
    "less_than_equal": "be less than or equal to {le}",
    "multiple_of": "be a multiple of {multiple_of}",
    "too_few": "have {wanted}",
    "too_short": "have at least {min_length}",
    "too_long": "have at most {max_length}",
    "string_too_short": "have at least {min_length} characters",
    "string_too_long": "have at most {max_length} characters",
    "string_pattern_mismatch": "match {pattern}",
}
LISTS = ("list_type", "tuple_type")
MAPPINGS = ("dict_type", "model_type", "model_attributes_type")
NUMBERS = {"int_type": (int,), "float_type": (int, float), "bool_type": (bool,)}


class Mistake:
    """An error of a model about some data. path: where its value stands in the data; for a missing key, its mapping."""

    def __init__(self, model: type[BaseModel], data: Any, error: Any) -> None:
        self.model, self.data = model, data
        self.loc: tuple[str | int, ...] = error["loc"]
        self.kind: str = error["type"]
        self.context: Mapping[str, Any] = error.get("ctx", {})
        self.pydantic: str = error["msg"]
        self.value = error.get("input")
        self.path = path_in(data, self.loc[:-1] if self.kind == "missing" else self.loc)
        if self.kind == "missing" and isinstance(self.loc[-1], int):  # of a list that has a length
            *inner, last = self.loc
            self.kind, self.loc = "too_few", tuple(inner)
            lengths = (part["minItems"] for part in options_at(model, self.loc) if "minItems" in part)
            self.context = {"wanted": next(lengths, last + 1)}

    @property
    def name(self) -> str:
        return str(next((s for s in reversed(self.path) if isinstance(s, str)), ""))

    @cached_property
    def options(self) -> list[dict[str, Any]]:
        """The parts of the JSON schema that describe what may stand here."""
        return options_at(self.model, self.loc)

    @property
    def is_about_a_key(self) -> bool:
        return self.kind in ("missing", "extra_forbidden")

    @property
    def is_of_another_type(self) -> bool:
        return self.kind.endswith("_type")

    @property
    def expected(self) -> str:
        """What the value should do."""
        if self.kind == "literal_error":
            choices = choices_in(self.context["expected"])
            return f"be '{choices[0]}'" if len(choices) == 1 else f"be one of {', '.join(choices)}"
        if self.kind in EXPECTED:
            return EXPECTED[self.kind].format(**{k: _plain(v) for k, v in self.context.items()})
        _, should, rest = self.pydantic.replace(" a valid ", " a ").partition(" should ")
        return rest if should else f"be valid: {self.pydantic[:1].lower()}{self.pydantic[1:]}"


def choices_in(expected: str) -> list[str]:
    """The choices in pydantic's `'a', 'b' or 'c'`."""
    return [c.strip(" '") for c in expected.replace(" or ", ", ").split(",")]


def listed(choices: list[str]) -> str | None:
    """A hint: the choices, if there are any."""
    return f"choices are {', '.join(choices)}" if choices else None


def shown(value: Any, kind: str = "") -> str:
    """A value as a message has it; `kind` is the error's."""
    if isinstance(value, list):
        return f"a list of {len(value)}" if kind in ("too_few", "too_short", "too_long") else "a list"
    if isinstance(value, dict):
        return "a mapping"
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) < 60 else text[:57] + "..."


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
