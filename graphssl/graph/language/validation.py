"""What is wrong with a mapping, in plain words: pydantic's errors as messages with hints, one for each mistake.

Validation is strict and in JSON's terms: `"5"` is no number, `5` is a float where one is wanted, a list is a
list. This module needs no torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ...errors import Kind, suggest
from .choices import keys_at, named, uses
from .hints import hint_for
from .mistakes import Mistake, choices_in, listed, shown
from .yaml import Path

__all__ = ["Wrong", "validate", "wrong_defaults"]

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong with a mapping, at a path into it; a problem, once it is known where that stands.

    kind: `unknown` is a key that nobody knows, `missing` some that are not there, which are `keys`.
    """

    path: Path
    message: str
    hint: str | None = None
    kind: Kind = "value"
    keys: tuple[str, ...] = ()


def validate(model: type[M], data: Mapping[str, Any]) -> tuple[M | None, list[Wrong]]:
    """The model, or None and what is wrong."""
    try:
        return model.model_validate_json(json.dumps(data), strict=True), []
    except ValidationError as error:
        found = [Mistake(model, data, e) for e in error.errors(include_url=False)]
    return None, [*_about_keys(found), *_about_values(found)]


def wrong_defaults(config: BaseModel) -> list[Wrong]:
    """What is wrong with the defaults that a validated config has."""
    model: type[BaseModel] = type("Whole", (type(config),), {"model_config": {"validate_default": True}})
    given = {model.model_fields[name].alias or name: getattr(config, name) for name in config.model_fields_set}
    try:
        model.model_validate(given, strict=True)
    except ValidationError as error:
        found = [Mistake(model, {**dict(config), **given}, e) for e in error.errors(include_url=False)]
        return [one for one in _about_values(found) if one.path and one.path[0] not in given]
    return []


# -- keys ----------------------------------------------------------------------------------------------------


def _about_keys(found: Sequence[Mistake]) -> list[Wrong]:
    """Unknown and missing keys. A key that is missing because it is misspelt is not told of a second time."""
    missing: dict[Path, list[str]] = {}
    for mistake in found:
        if mistake.kind == "missing":
            missing.setdefault(mistake.path, []).append(str(mistake.loc[-1]))
    wrong: list[Wrong] = []
    for mistake in found:
        if mistake.kind != "extra_forbidden":
            continue
        here, name = mistake.path[:-1], str(mistake.loc[-1])
        keys = keys_at(mistake.model, mistake.data, mistake.loc[:-1])
        close = suggest(name, keys, "keys are")
        hint = close.text if keys else "it has no keys"
        lacking = missing.get(here, [])
        if close.near is not None and close.near in lacking:
            lacking.remove(close.near)
        elif lacking:
            hint = f"{hint}; {_are_missing(missing.pop(here))}"
        wrong.append(Wrong(mistake.path, f"no key is called '{name}' here", hint, "unknown"))
    lacks = ((path, tuple(names)) for path, names in missing.items() if names)
    return wrong + [Wrong(path, _are_missing(names), None, "missing", names) for path, names in lacks]


def _are_missing(names: Sequence[str]) -> str:
    *first, last = (f"'{name}'" for name in names)
    return f"{', '.join(first)} and {last} are missing" if first else f"{last} is missing"


# -- values --------------------------------------------------------------------------------------------------


def _about_values(found: Sequence[Mistake]) -> list[Wrong]:
    """Values that are not what they should be. What fits none of several types is told once, with all of them."""
    by_path: dict[Path, list[Mistake]] = {}
    for mistake in found:
        if not mistake.is_about_a_key and not _of_a_type_not_meant(mistake, found):
            by_path.setdefault(mistake.path, []).append(mistake)
    return [_about(several[0]) if len(several) == 1 else _about_types(several) for several in by_path.values()]


def _of_a_type_not_meant(mistake: Mistake, found: Iterable[Mistake]) -> bool:
    """Whether another type, which the value is of, has mistakes further inside."""
    if not mistake.is_of_another_type:
        return False
    depth = len(mistake.path)
    return any(
        other.path[:depth] == mistake.path and (len(other.path) > depth or other.is_about_a_key) for other in found
    )


def _about(mistake: Mistake) -> Wrong:
    path, name, value, context = mistake.path, mistake.name, mistake.value, mistake.context
    if mistake.kind in ("value_error", "assertion_error"):
        return Wrong(path, str(context["error"]))
    if mistake.kind == "union_tag_not_found":
        tag = str(context["discriminator"]).strip("'")
        return Wrong(path, f"'{name}' is a mapping without '{tag}'", listed(uses(mistake.options, tag)))
    if mistake.kind == "union_tag_invalid":
        tag, choices = str(context["discriminator"]).strip("'"), choices_in(context["expected_tags"])
        hint = suggest(str(context["tag"]), choices).text
        return Wrong((*path, tag), f"'{context['tag']}' is none of the choices", hint)
    if mistake.kind == "literal_error":
        choices = choices_in(context["expected"])
        near = suggest(value, choices).text if isinstance(value, str) else listed(choices)
        return Wrong(path, f"'{name}' is {shown(value)}, which is none of the choices", hint_for(mistake) or near)
    names = named(mistake.options)
    if mistake.is_of_another_type and names and not isinstance(value, str) and value is not None:
        return Wrong(path, f"'{name}' is {shown(value)}, which is none of the choices", listed(names))
    moves = "constant" in mistake.loc and mistake.is_of_another_type  # a number that may be scheduled
    expected = f"{mistake.expected}, or a schedule {{from: ..., to: ...}}" if moves else mistake.expected
    return Wrong(path, f"'{name}' is {shown(value, mistake.kind)}; it should {expected}", hint_for(mistake))


def _about_types(several: Sequence[Mistake]) -> Wrong:
    """A value that may be of several types and fits none: a mistake for each."""
    first = several[0]
    path, value = first.path, first.value
    if (refused := next((m for m in several if m.kind == "value_error"), None)) is not None:
        return _about(refused)  # it is of that type, and of that type it is wrong
    literal = next((m for m in several if m.kind == "literal_error"), None)
    if literal is not None and isinstance(value, str):
        close = suggest(value, choices_in(literal.context["expected"]))
        if close.near:
            return Wrong(path, f"'{first.name}' is {shown(value)}, which is none of the choices", close.text)
    kinds = list(dict.fromkeys(m.expected for m in several))
    same = all(kind.startswith("be ") for kind in kinds)
    expected = " or ".join([kinds[0], *(kind.removeprefix("be ") if same else kind for kind in kinds[1:])])
    hint = next((h for h in map(hint_for, several) if h), None)
    return Wrong(path, f"'{first.name}' is {shown(value, first.kind)}; it should {expected}", hint)
