"""What is wrong with a mapping, in plain words: pydantic's errors as messages with hints, one for each mistake.

Validation is strict and in JSON's terms: `"5"` is no number, `5` is a float where one is wanted, a list is a
list. This module needs no torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import suggest
from .choices import Path, keys_at, named, options_at, path_in, uses
from .yaml import scalar

__all__ = ["EXPECTED", "Path", "Wrong", "validate"]

M = TypeVar("M", bound=BaseModel)
Wrong = tuple[Path, str, str | None]

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
    "too_short": "have at least {min_length}",
    "too_long": "have at most {max_length}",
    "string_too_short": "have at least {min_length} characters",
    "string_too_long": "have at most {max_length} characters",
    "string_pattern_mismatch": "match {pattern}",
}
LISTS = ("list_type", "tuple_type")
MAPPINGS = ("dict_type", "model_type", "model_attributes_type")
NUMBERS = {"int_type": (int,), "float_type": (int, float), "bool_type": (bool,)}
YES_AND_NO = {"yes": "true", "on": "true", "no": "false", "off": "false"}
NOTHING = "null removes what an extended graph has"


def validate(model: type[M], data: Mapping[str, Any]) -> tuple[M | None, list[Wrong]]:
    """The model, or None and what is wrong: for each problem the path into `data`, a message and a hint."""
    try:
        return model.model_validate_json(json.dumps(data), strict=True), []
    except ValidationError as error:
        found = [_Error(model, data, e) for e in error.errors(include_url=False)]
    return None, [*_about_keys(found), *_about_values(found)]


class _Error:
    """One of pydantic's errors. path: where its value stands in the data; for a missing key, its mapping."""

    def __init__(self, model: type[BaseModel], data: Any, error: Any) -> None:
        self.model, self.data = model, data
        self.loc: tuple[str | int, ...] = error["loc"]
        self.kind: str = error["type"]
        self.context: Mapping[str, Any] = error.get("ctx", {})
        self.pydantic: str = error["msg"]
        self.value = error.get("input")
        self.path = path_in(data, self.loc[:-1] if self.kind == "missing" else self.loc)

    @property
    def name(self) -> str:
        return str(next((s for s in reversed(self.path) if isinstance(s, str)), ""))

    @cached_property
    def options(self) -> list[dict[str, Any]]:
        """The parts of the JSON schema that describe what may stand here."""
        return options_at(self.model, self.loc)

    @property
    def is_of_another_type(self) -> bool:
        return self.kind.endswith("_type")

    @property
    def expected(self) -> str:
        """What the value should do."""
        if self.kind == "literal_error":
            choices = _choices(self.context["expected"])
            return f"be '{choices[0]}'" if len(choices) == 1 else f"be one of {', '.join(choices)}"
        if self.kind in EXPECTED:
            return EXPECTED[self.kind].format(**{k: _plain(v) for k, v in self.context.items()})
        _, should, rest = self.pydantic.replace(" a valid ", " a ").partition(" should ")
        return rest if should else f"be valid: {self.pydantic[:1].lower()}{self.pydantic[1:]}"


# -- keys ----------------------------------------------------------------------------------------------------


def _about_keys(found: Sequence[_Error]) -> list[Wrong]:
    """Unknown and missing keys. A key that is missing because it is misspelt is not told of a second time."""
    unknown = [e for e in found if e.kind == "extra_forbidden"]
    missing: dict[Path, list[str]] = {}
    for error in found:
        if error.kind == "missing":
            missing.setdefault(error.path, []).append(str(error.loc[-1]))
    wrong: list[Wrong] = []
    for error in unknown:
        here, name = error.path[:-1], str(error.loc[-1])
        keys = keys_at(error.model, error.data, error.loc[:-1])
        hint = suggest(name, keys, "keys are").text if keys else "it has no keys"
        lacking = missing.get(here, [])
        meant = [m for m in lacking if hint == f"did you mean '{m}'?"]
        if meant:
            lacking.remove(meant[0])
        elif lacking:
            hint = f"{hint}; {_are_missing(missing.pop(here))}"
        wrong.append((error.path, f"no key is called '{name}' here", hint))
    wrong += [(path, _are_missing(names), None) for path, names in missing.items() if names]
    return wrong


def _are_missing(names: Sequence[str]) -> str:
    *first, last = (f"'{name}'" for name in names)
    return f"{', '.join(first)} and {last} are missing" if first else f"{last} is missing"


# -- values --------------------------------------------------------------------------------------------------


def _about_values(found: Sequence[_Error]) -> list[Wrong]:
    """Values that are not what they should be. What fits none of several types is told once, with all of them."""
    wrong: list[Wrong] = []
    by_path: dict[Path, list[_Error]] = {}
    for error in found:
        if error.kind not in ("missing", "extra_forbidden") and not _of_a_type_not_meant(error, found):
            by_path.setdefault(error.path, []).append(error)
    for path, errors in by_path.items():
        wrong.append(_about(path, errors[0]) if len(errors) == 1 else _about_types(path, errors))
    return wrong


def _of_a_type_not_meant(error: _Error, found: Iterable[_Error]) -> bool:
    """Whether another type, which the value is of, has errors further inside."""
    if not error.is_of_another_type:
        return False
    depth = len(error.path)
    return any(
        other.path[:depth] == error.path and (len(other.path) > depth or other.kind in ("missing", "extra_forbidden"))
        for other in found
    )


def _about(path: Path, error: _Error) -> Wrong:
    if error.kind in ("value_error", "assertion_error"):
        return path, str(error.context["error"]), None
    if error.kind == "union_tag_not_found":
        tag = str(error.context["discriminator"]).strip("'")
        return path, f"'{error.name}' is a mapping without '{tag}'", _listed(uses(error.options, tag))
    if error.kind == "union_tag_invalid":
        tag = str(error.context["discriminator"]).strip("'")
        value = error.context["tag"]
        hint = suggest(str(value), _choices(error.context["expected_tags"]), "choices are").text
        return (*path, tag), f"'{value}' is none of the choices", hint
    if error.kind == "literal_error":
        message = f"'{error.name}' is {_shown(error.value)}, which is none of the choices"
        choices = _choices(error.context["expected"])
        near = suggest(error.value, choices).text if isinstance(error.value, str) else _listed(choices)
        return path, message, _hint(error) or near
    names = named(error.options)
    if error.is_of_another_type and names and not isinstance(error.value, str) and error.value is not None:
        return path, f"'{error.name}' is {_shown(error.value)}, which is none of the choices", _listed(names)
    moves = "constant" in error.loc and error.is_of_another_type  # a number that may be scheduled
    expected = f"{error.expected}, or a schedule {{from: ..., to: ...}}" if moves else error.expected
    return path, f"'{error.name}' is {_shown(error.value, error.kind)}; it should {expected}", _hint(error)


def _about_types(path: Path, errors: Sequence[_Error]) -> Wrong:
    """A value that may be of several types and fits none: an error for each."""
    first = errors[0]
    literal = next((e for e in errors if e.kind == "literal_error"), None)
    if literal is not None and isinstance(first.value, str):
        close = suggest(first.value, _choices(literal.context["expected"])).text or ""
        if close.startswith("did you mean"):
            return path, f"'{first.name}' is {_shown(first.value)}, which is none of the choices", close
    kinds = list(dict.fromkeys(e.expected for e in errors))
    same = all(kind.startswith("be ") for kind in kinds)
    expected = " or ".join([kinds[0], *(kind.removeprefix("be ") if same else kind for kind in kinds[1:])])
    hint = next((h for h in map(_hint, errors) if h), None)
    return path, f"'{first.name}' is {_shown(first.value)}; it should {expected}", hint


def _hint(error: _Error) -> str | None:
    """What would be right, where the value tells what was meant."""
    value, kind = error.value, error.kind
    if value is None:
        return _nothing_to_remove(error)
    if isinstance(value, str):
        return _hint_for_text(error, value)
    if kind in ("int_type", "int_from_float") and isinstance(value, float) and value.is_integer():
        return f"write all its digits: {value:.0f}"
    if kind == "string_type" and not isinstance(value, dict | list):
        return f"put it in quotes: '{json.dumps(value)}'"
    if kind in LISTS and not isinstance(value, dict):
        return f"put it in brackets: [{json.dumps(value)}]"
    if kind in MAPPINGS and (choices := uses(error.options, "use")):
        return _listed([f"{{use: {choice}}}" for choice in choices])
    if value is False and any(part.get("type") == "null" for part in error.options):
        return "null turns it off"
    if kind in NUMBERS and isinstance(value, dict) and {"from", "to"} <= set(value):
        return "this value cannot be scheduled"
    return None


def _hint_for_text(error: _Error, text: str) -> str | None:
    kind = error.kind
    try:
        bare = scalar(text)
    except ValueError:
        return None
    if type(bare) in NUMBERS.get(kind, ()):
        return f"write it without quotes: {text}"
    if kind == "literal_error" and type(bare) is int and text in _choices(error.context["expected"]):
        return f"write the number without quotes: {text}"
    if kind == "bool_type" and text.lower() in YES_AND_NO:
        return f"write {YES_AND_NO[text.lower()]}"
    if kind in LISTS:
        return f"put it in brackets: [{text}]"
    if kind in MAPPINGS and (choices := uses(error.options, "use")):
        return f"write {{use: {text}}}" if text in choices else _listed([f"{{use: {c}}}" for c in choices])
    return None


def _nothing_to_remove(error: _Error) -> str:
    around: Any = error.data
    for step in error.path[:-1]:
        around = around[step]
    others = [key for key, value in around.items() if value is not None] if isinstance(around, dict) else []
    close = suggest(error.name, others).text or ""
    return f"{NOTHING}; {close}" if close.startswith("did you mean") else f"{NOTHING}, and here there is nothing"


def _listed(choices: Sequence[str]) -> str | None:
    return f"choices are {', '.join(choices)}" if choices else None


def _choices(expected: str) -> list[str]:
    """The choices in pydantic's `'a', 'b' or 'c'`."""
    return [c.strip(" '") for c in expected.replace(" or ", ", ").split(",")]


def _shown(value: Any, kind: str = "") -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}" if kind in ("too_short", "too_long") else "a list"
    if isinstance(value, dict):
        return "a mapping"
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) < 60 else text[:57] + "..."


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
