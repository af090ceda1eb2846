"""Writes what the pages of docs/ have from the code, between their marks: python docs/tables.py

A page has `<!-- tables.py: NAME -->` and `<!-- end -->`; between them stands what `TABLES[NAME]` gives, which a test
holds pages to.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from typer.models import ArgumentInfo, OptionInfo

import graphssl
from graphssl.checks.rules.all import RULES, explain
from graphssl.cli.config import option_rows
from graphssl.cli.entry import app
from graphssl.cli.schema import graph_schema
from graphssl.component import TRAITS
from graphssl.evaluation.registry import REGISTRY
from graphssl.graph.nodes import CommonKeys
from graphssl.graph.spec import DATA_SETS, OPTIMIZERS, Data, users_of
from graphssl.graph.spec.data import Preprocessing
from graphssl.graph.spec.datasets import OPTIONS, TORCHVISION, Fetched, HuggingFace
from graphssl.graph.spec.evaluate import Evaluate, Monitor
from graphssl.graph.spec.file import TermSpec, UpdateSpec, graph_file
from graphssl.graph.spec.train import CheckpointPlan, Clip, LearningRate, PerNode, Train
from graphssl.graph.spec.weights import Weights
from graphssl.runs.reproduction.spec import Beside, Figure, Published, Reproduction
from graphssl.runs.study.spec import Range, Study
from graphssl.schedule import Schedule

DOCS = Path(__file__).parent
MARK = re.compile(r"(<!-- tables\.py: ([\w '/.]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
ONE_LINE = 90  # of a signature
LONG = 60  # of what a key takes; a mapping that takes more to say has a table of its own
RESULTS = (  # what functions give: of which module which classes
    ("graphssl.checks.checked", "Checked"), ("graphssl.program.program", "Program"),
    ("graphssl.graph.difference", "Difference"), ("graphssl.runs.results", "Result"),
    ("graphssl.runs.evaluate", "Evaluated"), ("graphssl.runs.seeds", "Group"), ("graphssl.runs.export", "Exported"),
    ("graphssl.runs.features", "Embedded"), ("graphssl.runs.features", "Neighbours"),
    ("graphssl.data.survey", "Survey"), ("graphssl.track", "Comparison"), ("graphssl.track", "Delivered"),
    ("graphssl.runs.reproduction", "Reproduced"), ("graphssl.runs.study", "Done"),
)  # fmt: skip
AUTHORS = (  # what is called in files of one's own
    ("graphssl.testing", "check_component"), ("graphssl.data", "write_shards"), ("graphssl.data", "index_shards"),
)  # fmt: skip

EVALUATIONS = sorted(name for name, kind in REGISTRY.items() if kind.__module__.startswith("graphssl.evaluation"))

Rows = Sequence[Sequence[str]]


def table(head: Sequence[str], rows: Rows) -> str:
    lines = [list(head), ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s*\|\s*", " or ", " ".join(text.split()))


def options(*models: type[BaseModel], leave: Sequence[str] = ("use",)) -> str:
    """A row for each key of the models: what it takes, its default, what it means."""
    return table(("key", "takes", "default", ""), [row for model in models for row in _options(model, leave)])


def _options(model: type[BaseModel], leave: Sequence[str] = ()) -> Iterator[list[str]]:
    for key, takes, default, meaning in option_rows(model):
        if key not in leave:
            kept = default is not None and not (len(default) > LONG and default.startswith("{"))
            yield [f"`{key}`", _short(takes), "required" if default is None else default if kept else "", meaning]


def _short(takes: str) -> str:
    """What a key takes, where mappings have no table of their own keys by themselves, and choices few words."""
    takes = re.sub(r"\{[^{}]{40,}\}( or \{[^{}]+\})*", "mapping", takes)
    return "list" if takes.startswith("list of") and len(takes) > LONG else re.sub(r"^object$", "mapping", takes)


def titled(*models: type[BaseModel], named: Callable[[type[BaseModel]], str]) -> str:
    parts = (f"**`{named(m)}`** {inspect.cleandoc(m.__doc__ or '')}\n\n{options(m)}" for m in models)
    return "\n\n".join(parts)


# -- graph files ---------------------------------------------------------------------------------------------------


def sections() -> str:
    """The top level of a graph file."""
    extends = graph_schema()["properties"]["extends"]["description"]
    rows = [
        [f"`{key}`", _short(takes), "required" if default is None else "" if default.startswith("{") else default, said]
        for key, takes, default, said in option_rows(graph_file())
    ]
    return table(("section", "takes", "default", ""), [["`extends`", "string or list of string", "", extends], *rows])


def data_sets() -> str:
    def row(name: str) -> list[str]:
        one = DATA_SETS[name]
        fetched = one.archive or TORCHVISION.get(name)
        where = f"fetched, {fetched.megabytes:,} MB" if fetched else "embedded" if one.kind == "embedded" else "yours"
        many = "" if one.samples is None else f"{one.samples:,}"
        return [f"`{name}`", many, "" if one.classes is None else str(one.classes), str(one.size), where]

    ours = (name for name, one in DATA_SETS.items() if not isinstance(one.cls, type))  # else a user's
    return table(("`use`", "to train on", "classes", "size", ""), [row(name) for name in ours])


def data_options() -> str:
    def row(key: str, *cells: str) -> list[str]:
        *others, said = cells
        return [f"`{key}`", *others, users_of(key)[0].replace("'", "`") if key in OPTIONS else "", said]

    rows = [
        row(key, _short(takes) if key != "use" else "a name", "" if default.startswith("{") else default, said)
        for key, takes, default, said in option_rows(Data)
        if default is not None
    ]
    return table(("key", "takes", "default", "of", ""), rows)


def optimizers() -> str:
    return titled(*OPTIMIZERS.values(), named=lambda m: next(k for k, v in OPTIMIZERS.items() if v is m))


def evaluations() -> str:
    def row(name: str) -> list[str]:
        kind = REGISTRY[name]
        needs = "labels" if kind.needs_labels else ""
        return [f"[`{name}`](#{name})", "yes" if kind.default else "", needs, inspect.cleandoc(kind.__doc__ or "")]

    return table(("name", "by default", "needs", "is"), [row(name) for name in EVALUATIONS])


def rules() -> str:
    """Each rule as `graphssl explain` prints it, after a table of all of them."""
    rows = [[f"[{r.code}](#{r.code.lower()})", r.severity, r.title] for r in RULES.values()]
    parts = [table(("code", "", "about"), rows)]
    for code in RULES:
        head, _, text = explain(code).partition("\n\n")
        parts.append(f"## {code}\n\n**{head.partition(': ')[2]}**\n\n{text}")
    return "\n\n".join(parts)


# -- commands ------------------------------------------------------------------------------------------------------


def commands() -> str:
    return "\n\n".join(_command(info.callback) for info in app.registered_commands if info.callback and not info.hidden)


def _command(function: Callable[..., Any]) -> str:
    name = function.__name__.rstrip("_")
    hints = typing.get_type_hints(function, include_extras=True)
    defaults = {key: p.default for key, p in inspect.signature(function).parameters.items()}
    rows, usage = [], [f"graphssl {name}"]
    for key, hint in hints.items():
        info = next((m for m in getattr(hint, "__metadata__", ()) if isinstance(m, ArgumentInfo | OptionInfo)), None)
        if info is None or info.hidden:
            continue
        required = defaults[key] is inspect.Parameter.empty
        if isinstance(info, ArgumentInfo):
            word = (info.metavar or key.upper()) + ("..." if "list[" in str(hint) else "")
            usage.append(word if required else f"[{word}]")
        else:
            value = "" if "bool" in str(hint) else " N" if "int" in str(hint) else " TEXT"
            said = [word for word in (info.default, *(info.param_decls or ())) if str(word).startswith("-")]
            word = ", ".join(map(str, said)) or f"--{key.replace('_', '-')}"
            word += value
        rows.append([f"`{word}`", _default(defaults[key]), info.help or ""])
    text = inspect.cleandoc(function.__doc__ or "")
    return f"## {name}\n\n`{' '.join([*usage, '[OPTIONS]'])}`\n\n{text}\n\n{table(('option', 'default', ''), rows)}"


def _default(value: Any) -> str:
    return "" if value in (None, False, inspect.Parameter.empty) else str(value)


# -- Python --------------------------------------------------------------------------------------------------------


def functions() -> str:
    errors = [n for n in graphssl.__all__ if n.endswith("Error")]
    verbs = [n for n in graphssl.__all__ if n not in errors]
    parts = [_function("graphssl", name) for name in verbs]
    return "\n\n".join([*parts, "## Errors", *(_class("graphssl", name) for name in errors)])


def results() -> str:
    return "\n\n".join(_class(module, name) for module, name in RESULTS)


def authors() -> str:
    return "\n\n".join(_function(module, name) for module, name in AUTHORS)


def contract(module: str) -> Callable[[], str]:
    """A module's docstring, which is Markdown."""
    return lambda: inspect.cleandoc(importlib.import_module(module).__doc__ or "")


def traits() -> str:
    return table(("trait", ""), [[f"`{name}`", str(said)] for name, said in TRAITS.items()])


def _function(module: str, name: str) -> str:
    found = getattr(importlib.import_module(module), name)
    text = _named(inspect.cleandoc(found.__doc__ or ""), inspect.signature(found).parameters)
    return f"### {name}\n\n```python\n{module}.{name}{_signature(found)}\n```\n\n{text}"


def _named(text: str, names: Iterable[str]) -> str:
    """A docstring, where what it says of arguments or fields, `name: of a run`, has their names as code."""
    known = "|".join(sorted(names, key=len, reverse=True)) or "$"
    said = re.compile(rf"(?<![\w`.])((?:{known})(?:,\s(?:{known}))*)(?=:\s)")
    return said.sub(lambda m: re.sub(r"\w+", r"`\g<0>`", m[1]), text)


def _signature(function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    words, bare = [], False
    for p in signature.parameters.values():
        if p.kind is p.KEYWORD_ONLY and not bare:
            words.append("*")
            bare = True
        words.append(f"{p.name}: {p.annotation}{_given(p.default)}")
    line = f"({', '.join(words)}) -> {signature.return_annotation}"
    if len(line) < ONE_LINE:
        return line
    return "\n".join(["(", *(f"    {word}," for word in words), f") -> {signature.return_annotation}"])


def _given(default: Any) -> str:
    if default is inspect.Parameter.empty:
        return ""
    return f" = {default.__name__ if callable(default) else repr(default)}"


def _class(module: str, name: str) -> str:
    found = getattr(importlib.import_module(module), name)
    fields = dataclasses.fields(found) if dataclasses.is_dataclass(found) else ()
    lines = [f"{f.name}: {f.type}" for f in fields if not f.name.startswith("_")]
    rows = list(_members(found, {f.name for f in fields}))
    parts = [f"### {name}", _named(inspect.cleandoc(found.__doc__ or ""), [f.name for f in fields])]
    parts += ["```python\n" + "\n".join(lines) + "\n```"] if lines else []
    return "\n\n".join([*parts, *([table(("", ""), rows)] if rows else [])])


def _members(found: type[Any], fields: set[str]) -> Iterator[list[str]]:
    """Its own properties and methods, and those of its own bases, that have a docstring."""
    owners = [c for c in found.__mro__ if c.__module__.startswith("graphssl")]
    for key in dict.fromkeys(key for owner in owners for key in vars(owner)):
        value = inspect.getattr_static(found, key)
        plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        said = getattr(plain, "__doc__", None)
        if key.startswith("_") or key in fields or not said or not (callable(plain) or hasattr(plain, "fget")):
            continue
        call = "" if hasattr(plain, "fget") else f"({', '.join(list(inspect.signature(plain).parameters)[1:])})"
        yield [f"`{key}{call}`", " ".join(inspect.cleandoc(said).partition("\n\n")[0].split())]


# -- the pages -----------------------------------------------------------------------------------------------------


def _of(*models: type[BaseModel]) -> Callable[[], str]:
    return lambda: options(*models)


TABLES: Mapping[str, Callable[[], str]] = {
    "sections": sections,
    "node": _of(CommonKeys),
    "term": _of(TermSpec),
    "update": _of(UpdateSpec),
    "schedule of a value": _of(Schedule),
    "weights": _of(Weights),
    "data sets": data_sets,
    "data": data_options,
    "data eval": _of(Preprocessing),
    "data hf": _of(HuggingFace),
    "data torchvision": _of(Fetched),
    "train": _of(Train),
    "optimizers": optimizers,
    "schedule": _of(LearningRate),
    "train nodes": _of(PerNode),
    "clip": _of(Clip),
    "checkpoint": _of(CheckpointPlan),
    "evaluations": evaluations,
    "evaluate": _of(Evaluate),
    "monitor": _of(Monitor),
    **{f"evaluate {name}": _of(REGISTRY[name].Config) for name in EVALUATIONS},
    "study": _of(Study),
    "range": _of(Range),
    "reproduction": _of(Reproduction),
    "reproduction figure": _of(Figure),
    "reproduction published": _of(Published),
    "reproduction beside": _of(Beside),
    "rules": rules,
    "commands": commands,
    "functions": functions,
    "results": results,
    "authors": authors,
    "component": contract("graphssl.component"),
    "traits": traits,
    "data set of one's own": contract("graphssl.data.own.registry"),
    "evaluation of one's own": contract("graphssl.evaluation.registry"),
}


def pages() -> list[Path]:
    return sorted(DOCS.rglob("*.md"))


def made(text: str) -> str:
    """A page's text with what the code says now. Raises KeyError for a name that there is no table of."""
    return MARK.sub(lambda m: f"{m[1]}\n{TABLES[m[2]]()}\n\n{m[4]}", text)


def main() -> None:
    for page in pages():
        text = page.read_text()
        if (now := made(text)) != text:
            page.write_text(now)
            print(f"wrote {page.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
