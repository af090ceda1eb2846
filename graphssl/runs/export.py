"""A node's weights for plain torch: written whole, with the code that loads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..errors import UsageError
from ..train.checkpoint import save
from .folder import find_run
from .trained import load_trained

__all__ = ["Exported", "export_weights", "loading_code", "twin"]


@dataclass(frozen=True)
class Exported:
    """Weights that are written: where, how many, and Python that loads them.

    values: numbers in all tensors. without: what the network of `code` has besides, and these weights leave as it is.
    """

    output: Path
    tensors: int
    values: int
    code: str
    without: tuple[str, ...]


def export_weights(run: str, output: Path, node: str | None) -> Exported:
    """Writes the weights of a run's node as a plain state dict, whole or not at all."""
    folder = find_run(run)
    if output.is_dir():
        raise UsageError(f"{output} is a folder: name a file, such as {output / 'encoder.pt'}")
    checked, module = load_trained(folder, node, torch.device("cpu"))
    name = node or checked.features or ""
    state = {key: value.clone() for key, value in module.state_dict().items()}
    if not state:
        raise UsageError(f"'{name}' has no weights to write")
    save(output, state)
    code, without = loading_code(module, name, folder.graph, output)
    return Exported(output, len(state), sum(v.numel() for v in state.values()), code, without)


def loading_code(module: nn.Module, name: str, graph: Path, output: Path) -> tuple[str, tuple[str, ...]]:
    """Python that loads the weights: into torchvision's network of the same shapes, or else into the graph's node.

    With the parts of that network that have no weights here.
    """
    state, weights = {k: tuple(v.shape) for k, v in module.state_dict().items()}, f"torch.load({str(output)!r})"
    model, without = twin(module, state) or (f"graphssl.compile({str(graph)!r}).features({name!r})", [])
    package, strict = model.partition(".")[0], ", strict=False" if without else ""
    code = f"import torch, {package}; model = {model}.eval(); model.load_state_dict({weights}{strict})"
    return code, tuple(without)


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
