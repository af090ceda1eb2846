"""Features of images that a user brings, by a run's encoder."""

from __future__ import annotations

import torch
from torch import Tensor

from ..checks.checked import Checked
from ..checks.features import feature_problem
from ..data import Batch
from ..errors import UsageError
from ..evaluation import embed as embed_batches
from ..train.device import choose_device
from .folder import find_run
from .trained import load_trained

__all__ = ["embed_images"]


def embed_images(run: str, images: Tensor, node: str | None, device: str) -> Tensor:
    """Features of a finished or interrupted run's encoder.

    images: uint8, `b 3 h w`, b at least 1; of another size than the encoder's they are scaled and cropped. node: which
    node, or value of the flow; default the evaluated one. Returns float32, `b d`. Raises UsageError for other images,
    and for a node that gives no features of images.
    """
    _check_images(images)
    where = choose_device(device)
    checked, module = load_trained(find_run(run), node, where)
    name = node or checked.features or ""
    if reason := _no_features(checked, name):
        raise UsageError(f"{reason}: there are no features to take from it")
    index = torch.arange(len(images))
    size = checked.image_size(name)
    facts = checked.data
    batches = [Batch(images[i], i, torch.full_like(i, -1)) for i in index.split(checked.graph.spec.data.batch)]
    features, _ = embed_batches(module, batches, facts.mean, facts.std, size=size, device=where)
    return features


def _check_images(images: Tensor) -> None:
    """Pixels of another range or layout would give features too, and wrong ones."""
    wanted = "images are uint8, b 3 h w"
    if not isinstance(images, Tensor):
        raise UsageError(f"{wanted}, in a torch tensor; got {type(images).__name__}")
    dtype, shape = str(images.dtype).removeprefix("torch."), list(images.shape)
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise UsageError(f"{wanted}; got {dtype} {shape}")
    if 0 in images.shape:
        raise UsageError(f"{wanted}, and at least one; got {shape}")


def _no_features(checked: Checked, name: str) -> str | None:
    node = checked.graph.nodes.get(name)
    if node is not None and node.forward.draws:
        return f"'{name}' is random"
    return feature_problem(checked.graph, checked.shapes, name)
