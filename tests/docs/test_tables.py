"""What pages have from the code is as the code is now, and says all of it."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from typer.testing import CliRunner

import graphssl
from graphssl.checks.rules.all import RULES, explain
from graphssl.cli.entry import app
from graphssl.cli.schema import graph_schema
from graphssl.evaluation.registry import REGISTRY
from graphssl.graph.spec import OPTIMIZERS


def page(tables: ModuleType, name: str) -> str:
    return (tables.DOCS / name).read_text()


def test_pages_are_current(tables: ModuleType) -> None:
    for file in tables.pages():
        text = file.read_text()
        assert text == tables.made(text), f"{file.name}: python docs/tables.py"


def test_each_table_stands_once(tables: ModuleType) -> None:
    names = [mark[1] for file in tables.pages() for mark in tables.MARK.findall(file.read_text())]
    assert sorted(names) == sorted(tables.TABLES)


def test_what_is_between_marks_is_made_anew(tables: ModuleType) -> None:
    text = "before\n<!-- tables.py: term -->\nold\n<!-- end -->\nafter\n"
    made = tables.made(text)
    assert "old" not in made
    assert made.startswith("before\n<!-- tables.py: term -->\n\n| key |")
    assert made.endswith("|\n\n<!-- end -->\nafter\n")
    assert tables.made(made) == made
    with pytest.raises(KeyError, match="terms"):
        tables.made(text.replace("term", "terms"))


def test_every_option_says_what_it_is(tables: ModuleType) -> None:
    """In the tables, and so in an editor that completes by the schema."""
    models = {m for m in vars(tables).values() if inspect.isclass(m) and issubclass(m, BaseModel)}
    models |= {*OPTIMIZERS.values(), *(REGISTRY[name].Config for name in tables.EVALUATIONS)}
    assert len(models) > 30
    silent = [
        (m.__qualname__, k) for m in models for k, f in m.model_fields.items() if k != "use" and not f.description
    ]
    assert silent == []


@pytest.mark.parametrize("section", ["Data", "Train", "Evaluate", "LearningRate", "PerNode", "Knn", "Linear"])
def test_editors_are_told_what_keys_are(section: str) -> None:
    properties: dict[str, Any] = graph_schema()["$defs"][section]["properties"]
    options = {key: value for key, value in properties.items() if key != "use" or "description" in value}
    evaluations = {"clusters", "detection", "finetune", "knn", "label_free", "linear", "logistic", "monitor", "probe"}
    silent = [k for k, v in options.items() if not v.get("description")]
    assert set(silent) <= evaluations | {"retrieval", "transfer"}


def test_rules_are_as_explain_prints_them(tables: ModuleType) -> None:
    text = page(tables, "rules.md")
    for code in RULES:
        section = text.partition(f"\n## {code}\n")[2].partition("\n## ")[0]
        _, _, said = explain(code).partition("\n\n")
        assert said in section


def test_every_command_has_its_options(tables: ModuleType) -> None:
    text = page(tables, "commands.md")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert len(commands) > 20
    for name, command in commands.items():
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section, f"{name} has no section"
        for parameter in command.params:
            for word in parameter.opts if parameter.param_type_name == "option" else ():
                assert re.search(rf"`(?:[^`]*, )?{re.escape(word)}[` ,/]", section) or word == "--help", (name, word)


def test_the_page_of_commands_says_what_help_does(tables: ModuleType) -> None:
    said = " ".join(CliRunner().invoke(app, ["explain", "--help"], env={"COLUMNS": "200"}).output.split())
    assert "Explain a rule of the checks, with its source in the literature." in said
    assert "Explain a rule of the checks, with its source in the literature." in page(tables, "commands.md")


def test_every_public_name_has_its_signature(tables: ModuleType) -> None:
    text = page(tables, "python.md")
    for name in graphssl.__all__:
        assert f"\n### {name}\n" in text
        assert name.endswith("Error") or f"\ngraphssl.{name}(" in text
