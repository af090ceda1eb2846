"""The formats in which something can be written: what their files are called, and which packages they need."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ...errors import RunError, UsageError, suggest
from ...files import check_place, writing

__all__ = ["DEFAULT", "FORMATS", "Format", "check_output", "find_format"]


@dataclass(frozen=True)
class Format:
    """needs: modules, of the extra `extra`. program: the node is written as a program, and not its weights alone."""

    name: str
    ending: str
    says: str
    needs: tuple[str, ...] = ()
    extra: str = ""
    program: bool = False


DEFAULT = "torch"
FORMATS = {
    form.name: form
    for form in (
        Format("torch", ".pt", "a plain state dict, of the node's own names"),
        Format("torchvision", ".pt", "a state dict for torchvision's network"),
        Format("timm", ".pt", "a state dict for timm's network", ("timm",), "timm"),
        Format("safetensors", ".safetensors", "the node's own names, with metadata", ("safetensors",), "safetensors"),
        Format("onnx", ".onnx", "a program for ONNX runtimes", ("onnx", "onnxscript"), "onnx", True),
        Format("torch-export", ".pt2", "a program for torch.export.load", program=True),
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
    if output.is_dir():
        raise UsageError(f"{output} is a folder: name a file, such as {output / f'encoder{form.ending}'}")
    others = {other.ending: other.name for other in FORMATS.values() if other.ending not in (".pt", form.ending)}
    if output.suffix in others:
        raise UsageError(
            f"a file called '{output.name}' is taken for one of --to {others[output.suffix]}, and this is --to "
            f"{form.name}: call it '{output.stem}{form.ending}'"
        )
    if not output.parent.is_dir():
        raise RunError(f"{output} cannot be written (No such file or directory)")
    with writing(output):
        check_place(output)
