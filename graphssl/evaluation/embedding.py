"""Features of a frozen module on plain images: what every evaluation starts from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor, nn

from ..data.fit import Fit
from ..errors import RAISED, RunError, ran_out
from ..graph.slips import failed
from ..ports import scale_of

if TYPE_CHECKING:
    from ..data import Batch


def embed(
    module: nn.Module,
    batches: Iterable[Batch],
    mean: Sequence[float],
    std: Sequence[float],
    size: tuple[int, int] | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> tuple[Annotated[Tensor, "n d"], Annotated[Tensor, "n"]]:
    """Features, float32, and labels, int64, of all samples in their order, on the device.

    The module sees images as `prepare` makes them, in eval mode, and is given back in the mode it was in. dtype: of
    autocast, None for float32. Of several outputs `vector` is taken, else the first that is `b d`, else the first
    map `b d h w`, averaged over its positions. Raises RunError for an output that is neither, and for no samples.
    """
    device = torch.device(device)
    features, labels = [], []
    with frozen(module, device, dtype):
        for batch in batches:
            features.append(vectors(module, prepare(batch.image.to(device, non_blocking=True), mean, std, size)))
            labels.append(batch.label.to(device, non_blocking=True))
    if not features:
        raise RunError("there are no samples to evaluate on: the split is empty")
    # Outside of inference mode, so that a probe may be trained on them.
    return torch.cat(features), torch.cat(labels)


def prepare(
    image: Annotated[Tensor, "b c h w"],
    mean: Sequence[float],
    std: Sequence[float],
    size: tuple[int, int] | None = None,
) -> Annotated[Tensor, "b c h w"]:
    """Images of whole numbers, or of floats from 0 to 1, normalised, float32, channels last.

    size: height and width the module takes. Other images are scaled, antialiased, until they just cover it, and
    their centre is cut out: nothing is distorted, and square images are seen whole.
    """
    image = image.float() / scale_of(image)
    if size is not None and tuple(image.shape[-2:]) != tuple(size):
        image = Fit(*size)(image)
    centre = image.new_tensor(mean)[:, None, None]
    spread = image.new_tensor(std)[:, None, None]
    return ((image - centre) / spread).contiguous(memory_format=torch.channels_last)


@contextmanager
def frozen(module: nn.Module, device: torch.device, dtype: torch.dtype | None) -> Iterator[None]:
    """Meanwhile the module gives features and learns nothing. dtype: of autocast, None for float32."""
    low = dtype is not None and dtype != torch.float32
    with torch.inference_mode(), in_eval_mode(module), torch.autocast(device.type, dtype, enabled=low):
        yield


def vectors(module: nn.Module, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b d"]:
    """Features of normalised images, float32. Raises RunError where the module fails, or gives none."""
    return pooled(_given(module, image)).float()


def _given(module: nn.Module, image: Tensor) -> Any:
    """What a network gives, which may be the user's own. Raises RunError where that fails."""
    try:
        return module(image)
    except RAISED as error:
        if isinstance(error, RunError) or ran_out(error):
            raise
        raise failed(f"the network fails on plain images, {' x '.join(map(str, image.shape))}", error) from error


def pooled(output: Any) -> Annotated[Tensor, "b d"]:
    """The vector of an output: itself, its field `vector`, its first `b d`, or its first map, averaged."""
    tensors = [output] if isinstance(output, Tensor) else [v for v in _fields(output) if isinstance(v, Tensor)]
    vector = next((t for t in tensors if t.ndim == 2), None)
    if vector is not None:
        return vector
    feature_map = next((t for t in tensors if t.ndim == 4), None)
    if feature_map is None:
        shapes = ", ".join(str(tuple(t.shape)) for t in tensors) or type(output).__name__
        raise RunError(
            f"features are vectors (b d) or maps (b d h w), and this node gives {shapes}; "
            "name another node in evaluate.features"
        )
    return feature_map.mean(dim=(2, 3), dtype=torch.float32)


def _fields(output: Any) -> list[Any]:
    named = [output.vector] if isinstance(getattr(output, "vector", None), Tensor) else []
    return [*named, *output] if isinstance(output, tuple) else named


@contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Eval mode within; each submodule gets its own mode back, frozen ones stay frozen."""
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for submodule, mode in modes:
            submodule.training = mode
