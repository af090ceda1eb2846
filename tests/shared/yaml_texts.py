"""Texts of scalars, and a reader of YAML that raises: what tests of the language share."""

from __future__ import annotations

from conftest import problems_of, strict

from graphssl.graph.language import yaml

INTEGERS = [
    ("0", 0), ("00", 0), ("08", 8), ("-0", 0), ("+5", 5), ("-17", -17), ("0o0", 0), ("0o755", 493), ("0xfF", 255),
    ("9223372036854775807", 2**63 - 1), ("-9223372036854775807", 1 - 2**63), ("0x7fffffffffffffff", 2**63 - 1),
]  # fmt: skip
FLOATS = [
    ("0.", 0.0), (".0", 0.0), ("-.5", -0.5), ("+.5", 0.5), ("1E3", 1000.0), ("1e+3", 1000.0), ("1.e2", 100.0),
    ("-2.5e-3", -0.0025), ("1e308", 1e308), ("5e-324", 5e-324), ("1e-999", 0.0), ("3.141592653589793", 3.141592653589793),
]  # fmt: skip
# What YAML 1.1, other readers or a hasty reader of this one would turn into something else.
WORDS = [
    "y", "Y", "n", "N", "Yes", "NO", "On", "OFF", "tRUE", "nULL", "none", "None", "inf", "nan", "-.nan", ".infinity",
    "-0x1F", "+0x1F", "0o8", "0O17", "0b101", "0xG", "0x", "0o", "1e", "e1", "1e1.5", ".", "..", "-", "+", "--1", "+-1",
    "1.2.3", "1,5", "1 000", "1_000.5", "1k", "5%", "$5", "12:30:45", "190:20:30.15", "1:2", "2026-01-01",
    "2026-01-01T10:00:00Z", "<<", "=", "~~", "(1)", "1+1", "\u0966", "\u096b",
]  # fmt: skip

read = strict(yaml.read)


def only(text: str) -> str:
    """The one problem of a text that is called `f`."""
    (problem,) = problems_of(read, text, "f")
    return problem
