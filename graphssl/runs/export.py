"""A node's weights for plain torch: written whole, with the code that loads them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..train.checkpoint import save
from .folder import find_run
from .trained import load_trained

__all__ = ["export_weights", "twin"]

State = dict[str, Tensor]


def export_weights(run: str, output: Path, node: str | None) -> str:
    """Writes the weights of a run's node as a plain state dict, whole or not at all; says so, and how to load it."""
    folder = find_run(run)
    if output.is_dir():
        raise UsageError(f"{output} is a folder: -o names a file, such as {output / 'encoder.pt'}")
    checked, module = load_trained(folder, node, torch.device("cpu"))
    name = node or checked.features or ""
    state = {key: value.clone() for key, value in module.state_dict().items()}
    if not state:
        raise UsageError(f"'{name}' has no weights to write")
    save(output, state)
    size = sum(v.numel() for v in state.values())
    return f"wrote {output}: {len(state)} tensors, {size:,} values\n{_loading(module, name, folder.graph, output)}"


def _loading(module: nn.Module, name: str, graph: Path, output: Path) -> str:
    """Python that loads the weights: into torchvision's network of the same shapes, or else into the graph's node."""
    state, weights = {k: tuple(v.shape) for k, v in module.state_dict().items()}, f"torch.load({str(output)!r})"
    model, without = twin(module, state) or (f"graphssl.compile({str(graph)!r}).features({name!r})", [])
    package = model.partition(".")[0]
    strict, note = (", strict=False", f"  # all but {', '.join(without)}") if without else ("", "")
    code = f"import torch, {package}; model = {model}.eval(); model.load_state_dict({weights}{strict})"
    return f"  load it    {code}{note}"


def twin(module: nn.Module, state: dict[str, tuple[int, ...]]) -> tuple[str, list[str]] | None:
    """The call that makes torchvision's network with these weights, by name and shape, and its parts that have none
    here (a classifier); None where there is no such network."""
    from torchvision import models

    base = next((c for c in type(module).__mro__ if c.__module__.startswith("torchvision.models.")), None)
    if base is None:
        return None
    # What is replaced by an identity has been left out on purpose; whatever else lacks is another network.
    without = [key for key, child in module.named_children() if isinstance(child, nn.Identity)]
    for name in models.list_models():
        maker = models.get_model_builder(name)
        if maker.__module__ != base.__module__:
            continue
        with torch.device("meta"):
            theirs = {key: tuple(v.shape) for key, v in maker(weights=None).state_dict().items()}
        kept = {key: shape for key, shape in theirs.items() if key.split(".")[0] not in without}
        if kept == state:
            lacking = {key.split(".")[0] for key in theirs.keys() - kept.keys()}
            return f"torchvision.models.{name}()", [part for part in without if part in lacking]
    return None
