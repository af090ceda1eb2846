"""What a run may be called: it is a folder's name, here and wherever the folder is copied to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError, escaped

__all__ = ["check_asked", "check_model_name", "check_name"]

LONGEST = 200  # bytes: of the 255 that file systems have for a name, the rest is for what stands before or after
TAKEN = '<>:"|?*'  # by other systems
DEVICES = {"CON", "PRN", "AUX", "NUL"} | {f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"}


def check_name(name: str | None, what: str = "a run", under: str = "runs/", longest: int = LONGEST) -> None:
    """Raises UsageError, with every reason, for what cannot name a run. None stands for no name.

    what, under: is named, and where it becomes a folder. longest: bytes.
    """
    if name is None:
        return
    if not isinstance(name, str):
        raise UsageError(f"the name of {what} is text, not {type(name).__name__}")
    if reasons := list(_against(name, longest)):
        shown = escaped(name if len(name) <= 80 else f"{name[:80]}…")
        raise UsageError(f"'{shown}' cannot name {what}, which becomes a folder under {under}: {'; '.join(reasons)}")


def _against(name: str, longest: int) -> Iterator[str]:
    if not name.strip():
        yield "it is empty"
        return
    unseen = dict.fromkeys(c for c in name if escaped(c) != c)
    if unseen:
        yield f"it has characters that are not seen, or that are no text: {' '.join(map(escaped, unseen))}"
    if found := [c for c in "/\\" if c in name]:
        yield f"{' and '.join(found)} would make it a folder in another"
    if found := [c for c in TAKEN if c in name]:
        yield f"other systems cannot store {' '.join(found)}"
    if name[0] in "-. ":
        yield f"it begins with {_called(name[0])}"
    if name[-1] in ". ":
        yield f"it ends with {_called(name[-1])}, which other systems leave out"
    if (device := name.partition(".")[0].strip()).upper() in DEVICES:
        yield f"'{device}' is a device on other systems"
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > longest:
        yield f"it has {size:,} bytes, of at most {longest}"


def _called(character: str) -> str:
    return "a blank" if character == " " else f"'{character}'"


def check_model_name(name: str | None) -> None:
    """Raises UsageError for what cannot name a model in MLflow's registry. None stands for no name."""
    if name is None:
        return
    found = [c for c in "/:" if c in name]
    said = [f"it has {' and '.join(found)}"] if found else []
    said += ["it is empty"] * (not name.strip()) + ["it has characters that are not seen"] * (escaped(name) != name)
    said += ["it is a folder's name"] * (name.strip() in (".", ".."))
    said += ["blanks stand around it"] * (bool(name.strip()) and name != name.strip())
    said += [f"it has {len(name):,} characters, of at most {LONGEST}"] * (len(name) > LONGEST)
    if said:
        shown = escaped(name if len(name) <= 80 else f"{name[:80]}…")
        raise UsageError(f"'{shown}' cannot name a registered model: {'; '.join(said)}")


def check_asked(graph: bool, resume: str | None, name: str | None) -> None:
    """Raises UsageError where it is not said what is to be run: a graph, or a run that goes on. graph: is one named."""
    if not graph and resume == "auto" and (name is not None or not Path("runs/auto").exists()):
        raise UsageError("`--resume auto` goes on with a graph's run, or begins it: name the graph before it")
    begins = graph and resume == "auto"
    if not begins and graph != (resume is None):
        raise UsageError("name a graph file to run, or a run to resume: one of the two")
    if not begins and resume is not None and name is not None:
        raise UsageError(f"a run that is resumed keeps its name, '{resume}': leave the name '{name}' out")
