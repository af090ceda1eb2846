"""The formats in which something can be written: what their files are called, and which packages they need."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ...errors import RunError, UsageError, suggest
from ...files import check_place, special, writing

__all__ = ["DEFAULT", "FORMATS", "Format", "check_output", "find_format"]


@dataclass(frozen=True)
class Format:
    """endings: of files' names, the usual one first. needs: modules, of the extra `extra`. program: the node is
    written as a program, and not its weights alone."""

    name: str
    endings: tuple[str, ...]
    says: str
    needs: tuple[str, ...] = ()
    extra: str = ""
    program: bool = False

    @property
    def ending(self) -> str:
        """The usual one."""
        return self.endings[0]


DEFAULT = "torch"
WEIGHTS, SAFE = (".pt", ".pth", ".bin", ".ckpt"), (".safetensors",)
FORMATS = {
    form.name: form
    for form in (
        Format("torch", WEIGHTS, "a plain state dict, of the node's own names"),
        Format("torchvision", WEIGHTS, "a state dict for torchvision's network"),
        Format("timm", WEIGHTS, "a state dict for timm's network", ("timm",), "timm"),
        Format("safetensors", SAFE, "the node's own names, with metadata", ("safetensors",), "safetensors"),
        Format("onnx", (".onnx",), "a program for ONNX runtimes", ("onnx", "onnxscript"), "onnx", True),
        Format("torch-export", (".pt2",), "a program for torch.export.load", program=True),
    )
}


def find_format(name: str) -> Format:
    """The format of that name. Raises UsageError for another, and RunError where a package is missing."""
    if name not in FORMATS:
        hint = suggest(name, FORMATS, "formats are").text or f"formats are {', '.join(FORMATS)}"
        raise UsageError(f"there is no format '{name}' to export to: {hint}")
    form = FORMATS[name]
    missing = [module for module in form.needs if importlib.util.find_spec(module) is None]
    if missing:
        what = f"{' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed"
        raise RunError(f"--to {name} needs {what}: pip install 'graphssl[{form.extra}]'")
    return form


def check_output(output: Path, form: Format) -> None:
    """Raises UsageError for a name that is a folder's or another format's, RunError where no file can be."""
    if special(output) == "a folder":
        raise UsageError(f"{output} is a folder: name a file, such as {output / f'encoder{form.ending}'}")
    with writing(output):
        check_place(output)
    others = {other.ending: other.name for other in FORMATS.values() if other.ending not in (".pt", form.ending)}
    if output.suffix in others:
        raise UsageError(
            f"a file called '{output.name}' is taken for one of --to {others[output.suffix]}, and this is --to "
            f"{form.name}: call it '{output.stem}{form.ending}'"
        )
    if output.suffix.lower() not in form.endings:
        raise UsageError(
            f"--to {form.name} cannot be written as '{output.name}': names end in {', '.join(form.endings)}"
        )
    if special(output.parent) != "a folder":
        raise RunError(f"{output} cannot be written (No such file or directory)")
