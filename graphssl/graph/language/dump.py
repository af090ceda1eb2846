"""Plain data as the text of a graph file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...errors import escaped

__all__ = ["dump"]

UNQUOTED = re.compile("^[?:]")  # text that ruamel leaves bare and then reads as something else
BREAKS = "\n\t"


def dump(data: Mapping[str, Any]) -> str:
    """Plain data as YAML that `yaml.read` takes to the same data: a block for each section, a line for each entry."""
    from io import StringIO

    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    def block(value: Any) -> Any:
        if isinstance(value, Mapping):
            return CommentedMap((_quoted(k), _inline(v)) for k, v in value.items()) if value else value
        return _inline(value)

    yaml = YAML()
    yaml.width = 10_000
    out = StringIO()
    yaml.dump(CommentedMap((_quoted(k), block(v)) for k, v in data.items()), out)
    return escaped(out.getvalue(), BREAKS)  # which is YAML's own way between double quotes


def _inline(value: Any) -> Any:
    """A value that is written on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    line: CommentedMap | CommentedSeq
    if isinstance(value, Mapping):
        line = CommentedMap((_quoted(k), _inline(v)) for k, v in value.items())
    elif isinstance(value, list):
        line = CommentedSeq(_inline(v) for v in value)
    else:
        return _quoted(value)
    line.fa.set_flow_style()
    return line


def _quoted(value: Any) -> Any:
    """Text that would be read as something else, or not be seen, between double quotes."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, str) and (UNQUOTED.search(value) or escaped(value, BREAKS) != value):
        return DoubleQuotedScalarString(value)
    return value
