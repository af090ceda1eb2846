"""Python that loads what was written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ...errors import RunError
from .formats import Format
from .subject import Subject
from .twins import Twin, twins_of, verify_twin

__all__ = ["loading_code", "plain_twin"]


def plain_twin(subject: Subject) -> Twin | None:
    """A library's network that takes the weights under their own names; one that proves to."""
    if subject.plain() is not subject:
        return None
    for twin in twins_of(subject).values():
        if not isinstance(twin, str) and not twin.renames:
            with contextlib.suppress(RunError):
                verify_twin(subject, twin, subject.state)
                return twin
    return None


def loading_code(
    subject: Subject, form: Format, twin: Twin | None, output: Path, here: Path | None = None
) -> list[str]:
    """The lines. twin: the network that the weights are for; None for the graph's own node. here: where they are run,
    if that is not the working folder."""
    file, graph = str(output), subject.folder.graph
    if here is not None and not graph.is_absolute():
        graph = Path(os.path.relpath(graph.resolve(), here.resolve()))
    if form.name == "torch-export":
        return ["import torch", f"model = torch.export.load({file!r}).module()"]
    if form.name == "onnx":
        return ["import onnxruntime", f"session = onnxruntime.InferenceSession({file!r})"]
    if twin is None:
        package, nodes = "graphssl", subject.checked.graph.nodes.values()
        # What the nodes started with need not be there any more.
        drawn = ", weights=False" if any(node.common_keys.weights is not None for node in nodes) else ""
        lines = [f"model = graphssl.compile({str(graph)!r}{drawn}).features({subject.name!r})"]
    else:
        package, lines = ", ".join(twin.imports), list(twin.lines)
    if form.name == "safetensors":
        package, state = f"{package}, safetensors.torch", f"safetensors.torch.load_file({file!r})"
    else:
        state = f"torch.load({file!r})"
    return [f"import torch, {package}", *lines, f"model.eval().load_state_dict({state})"]
