"""Arguments and options that several commands take."""

from __future__ import annotations

import os
import re
import shlex
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ..code import NO_CODE
from ..console import QUIET
from ..errors import UsageError
from .completion import complete_graphs, complete_runs, complete_sets

__all__ = [
    "Changeable", "Commands", "Device", "GraphArgument", "Interrupted", "NoCode", "NoFeatures", "Quiet", "RunArgument",
    "RunArguments", "Sets", "seeds_of",
]  # fmt: skip


def _refuse_code(value: bool) -> bool:
    """For this process, and those that it starts."""
    if value:
        os.environ[NO_CODE] = "1"
    return value


def _hush(value: bool) -> bool:
    """For this process, and those that it starts."""
    if value:
        os.environ[QUIET] = "1"
    return value


GraphArgument = Annotated[
    str,
    typer.Argument(help="A graph file, or a packaged graph by name, such as byol.", autocompletion=complete_graphs),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a value: --set nodes.queue.size=65536. May be repeated.",
        autocompletion=complete_sets,
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", callback=_hush, help="Say warnings and what came of it, and no more.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")]
NoCode = Annotated[
    bool,
    typer.Option("--no-custom-components", callback=_refuse_code, help="Refuse graphs that name Python of their own."),
]
NoFeatures = Annotated[
    bool, typer.Option("--no-features", help="Leave out maps, spectrum and neighbours, for which weights are loaded.")
]
RunArgument = Annotated[
    str, typer.Argument(help="A run: its name under runs/, or its folder.", autocompletion=complete_runs)
]
RunArguments = Annotated[
    list[str], typer.Argument(help="A run, or several: names under runs/, or folders.", autocompletion=complete_runs)
]


class Interrupted(BaseException):
    """Ctrl-C, which typer would take for an exit code without a word; its cause is the KeyboardInterrupt."""


class Commands(TyperGroup):
    """The commands: Ctrl-C in one is told by whoever runs it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted from error


class Changeable(TyperCommand):
    """A command that takes --set: a change that stands without it is told as that."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if ctx.resilient_parsing:  # a shell completes what is not whole yet
            return rest
        several = (*(ctx.params.get("graphs") or ()), *(ctx.params.get("runs") or ()))
        given = [ctx.params.get("graph"), *several, *rest]
        changes = [a for a in given if a and re.match(r"[\w.]+=", a) and not os.path.exists(a)]
        if changes:
            told = " ".join(f"--set {shlex.quote(change)}" for change in changes)
            raise UsageError(f"a change of the graph needs --set before it: {told}")
        if rest:
            ctx.fail(f"Got unexpected extra argument{'s' * (len(rest) > 1)} ({' '.join(rest)})")
        return rest


def seeds_of(text: str | None) -> list[int]:
    """`0,1,2` as numbers. Raises UsageError for what is none."""
    if text is None:
        return []
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise UsageError(f"--seeds are whole numbers, 0 or more, with commas between: 0,1,2, and not '{text}'")
    found = [int(word) for word in words]
    if len(set(found)) < len(found):
        raise UsageError(f"a seed stands in --seeds {text} twice")
    return found
