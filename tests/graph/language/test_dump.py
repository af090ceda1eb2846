"""Writing: whatever is written is read as the same."""

from __future__ import annotations

import pytest
from conftest import MOCO
from yaml_texts import FLOATS, INTEGERS, WORDS, read

from graphssl.graph.language.dump import dump

TEXTS = [
    *WORDS, *(t for t, _ in INTEGERS), *(t for t, _ in FLOATS), "true", "NULL", "", ".inf", ".NaN", "? b", ": c", "?", ":",
    "- a", "---", "...", "a: b", "a #b", "#", "&x", "*x", "!x", "%x", "@x", "`x", "|", ">", "'", '"', "a'b", "\\n", "[x",
    "]", "{", "}", ",", "a,b", " x", "x ", "x\ty", "\n", "two\n\nlines\n", "漢", "🐈", "\u2028", "\x85", "\u00a0x", "\ufeff",
    "\x07", "a b " * 300, "f(x, y=[1])[0:2]",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=lambda t: ascii(t)[:20])
def test_any_text_comes_back_as_the_same_text(text: str) -> None:
    data = {"top": text, "section": {"value": text, "list": [text, {"deep": text}]}, "list": [text, text]}
    assert read(dump(data), "f").data == data


@pytest.mark.parametrize(
    "number", [0, -5, 10**18, 2**63 - 1, 0.1, -0.0, 1e-9, 1e16, 1e22, 5e-324, 1e308, 1 / 3, True, False]
)
def test_any_number_comes_back_as_the_same_number(number: float) -> None:
    data = {"top": number, "section": {"value": number, "list": [number]}}
    found = read(dump(data), "f").data
    assert repr(found) == repr(data)


def test_a_section_is_a_block_and_an_entry_a_line() -> None:
    text = dump({"graph": "g", "nodes": {"a": {"use": "x.y", "of": ["b", "c"]}}, "allow": ["G101"], "flow": {}})
    assert text == "graph: g\nnodes:\n  a: {use: x.y, of: [b, c]}\nallow: [G101]\nflow: {}\n"


def test_a_long_line_is_not_broken() -> None:
    data = {"nodes": {"a": {f"key_{i}": i for i in range(200)}}, "flow": {"x": "f(" + "y, " * 500 + "z)"}}
    text = dump(data)
    assert text.count("\n") == 4
    assert read(text, "f").data == data


def test_writing_leaves_the_data_as_it_is() -> None:
    data = {"a": {"b": [1, {"c": "? x"}]}}
    dump(data)
    assert data == {"a": {"b": [1, {"c": "? x"}]}}
    assert type(data["a"]["b"]) is list


def test_dump_reads_back() -> None:
    data = read(MOCO, "moco").data
    data["odd"] = {
        "texts": ["5", "no", "null", "", "a: b", "1e5", "[x", "ä", "two\nlines", "#", "~", " x "],
        "numbers": [1e-9, 5, -0.25, 1e30, True, None],
        "empty": {}, "nested": {"a": [{"b": 1}]},
    }  # fmt: skip
    data["plain"], data["list"], data["nothing"] = "text", [1, "2"], {}
    text = dump(data)
    assert read(text, "again").data == data
    assert "  q: projector(encoder(x[0]))\n" in text


@pytest.mark.parametrize(
    "odd", ["a\x1b[31m", "\u202ex\u200b", "x\xa0y", "l1\nl2\x07", "\u2028", "\x85", "👩\u200d👩", "\x9b"]
)
def test_what_is_not_seen_is_an_escape_that_reads_back(odd: str) -> None:
    from ruamel.yaml import YAML

    data = {"text": odd, "list": [odd, "b"], "section": {"key": {odd: odd}}, odd: 1}
    text = dump(data)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert YAML(typ="safe", pure=True).load(text) == data
