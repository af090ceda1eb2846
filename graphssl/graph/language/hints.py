"""What would be right, where a value that is wrong tells what was meant."""

from __future__ import annotations

import json
from typing import Any

from ...errors import suggest
from .choices import uses
from .mistakes import LISTS, MAPPINGS, NUMBERS, Mistake, choices_in, listed
from .scalars import scalar

__all__ = ["hint_for"]

YES_AND_NO = {"yes": "true", "on": "true", "no": "false", "off": "false"}
NOTHING = "null removes what an extended graph has"


def hint_for(mistake: Mistake) -> str | None:
    """What to write instead, None where the value does not tell."""
    value, kind = mistake.value, mistake.kind
    if value is None:
        return _for_nothing(mistake)
    if isinstance(value, str):
        return _for_text(mistake, value)
    if kind in ("int_type", "int_from_float") and isinstance(value, float) and value.is_integer():
        return f"write all its digits: {value:.0f}"
    if kind == "string_type" and not isinstance(value, dict | list):
        return f"put it in quotes: '{json.dumps(value)}'"
    if kind in LISTS and not isinstance(value, dict):
        return f"put it in brackets: [{json.dumps(value)}]"
    if kind in MAPPINGS and (choices := uses(mistake.options, "use")):
        return listed([f"{{use: {choice}}}" for choice in choices])
    if value is False and any(part.get("type") == "null" for part in mistake.options):
        return "null turns it off"
    if kind in NUMBERS and isinstance(value, dict) and {"from", "to"} <= set(value):
        return "this value cannot be scheduled"
    return None


def _for_text(mistake: Mistake, text: str) -> str | None:
    kind = mistake.kind
    try:
        bare = scalar(text)
    except ValueError:
        return None
    if type(bare) in NUMBERS.get(kind, ()):
        return f"write it without quotes: {text}"
    if kind == "literal_error" and type(bare) is int and text in choices_in(mistake.context["expected"]):
        return f"write the number without quotes: {text}"
    if kind == "bool_type" and text.lower() in YES_AND_NO:
        return f"write {YES_AND_NO[text.lower()]}"
    if kind in LISTS:
        return f"put it in brackets: [{text}]"
    if kind in MAPPINGS and (choices := uses(mistake.options, "use")):
        return f"write {{use: {text}}}" if text in choices else listed([f"{{use: {c}}}" for c in choices])
    return None


def _for_nothing(mistake: Mistake) -> str:
    """For a null, which takes nothing out: the entry beside it that it may have been meant for."""
    around: Any = mistake.data
    for step in mistake.path[:-1]:
        around = around[step]
    others = [key for key, value in around.items() if value is not None] if isinstance(around, dict) else []
    close = suggest(mistake.name, others)
    return f"{NOTHING}; {close}" if close.near else f"{NOTHING}, and here there is nothing"
