"""What a chain of torchvision's transforms may be made of, and what its views must be."""

from __future__ import annotations

import torch
from torch import Tensor

from graphssl.ports import scale_of

__all__ = ["INSTEAD", "check_view", "noise"]

SEVERAL = "it gives several pictures of one; views: 5 makes as many, each by random transforms of its own"
LABELS = "it mixes the pictures and labels of a batch, and a view is of one picture without its label"
BOXES = "it is for bounding boxes, and a view has none"
INSTEAD = {
    "Normalize": "leave Normalize out, views are normalised at the end, with the data's mean and std",
    "FiveCrop": SEVERAL, "TenCrop": SEVERAL, "MixUp": LABELS, "CutMix": LABELS,
    "ToPILImage": "leave it out, all transforms take tensors", "ToTensor": "leave it out, pictures are tensors",
    "PILToTensor": "leave it out, pictures are tensors", "ToImage": "leave it out, pictures are tensors",
    "Lambda": "a function has no name in a graph; a component of your own, in `components:`, takes its place",
    "LinearTransformation": "its matrix is no value in a graph; a component of your own takes its place",
    "UniformTemporalSubsample": "it is for videos", "ConvertBoundingBoxFormat": BOXES, "ClampBoundingBoxes": BOXES,
    "SanitizeBoundingBoxes": BOXES, "RandomIoUCrop": BOXES, "ClampKeyPoints": BOXES, "SanitizeKeyPoints": BOXES,
}  # fmt: skip
RANGE = (0.01, 4.0)  # within which the brightest of a view lies, where white is 1
KINDS = (torch.uint8, torch.uint16, torch.float32)


def noise(shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """A picture of all values from black to white."""
    made = torch.rand(shape, generator=generator)
    return made if dtype.is_floating_point else (made * torch.iinfo(dtype).max).to(dtype)


def check_view(view: object, picture: Tensor) -> None:
    """Raises ValueError where a view of a picture is no image of its channels, of floats from 0 to 1 or of bytes."""
    if not isinstance(view, Tensor):
        raise ValueError(f"the transforms give a {type(view).__name__}, and a view is a tensor, c y x")
    if view.ndim != 3:
        raise ValueError(f"the transforms give {list(view.shape)}, and a view is an image, c y x")
    if len(view) != len(picture):
        hint = "num_output_channels of Grayscale is the data's" if len(view) == 1 else "data.channels says them"
        raise ValueError(
            f"the transforms give {len(view)} channel{'s'[: len(view) != 1]}, and the data have {len(picture)}; {hint}"
        )
    kind = str(view.dtype).removeprefix("torch.")
    if view.dtype not in KINDS:
        known = ", ".join(str(k).removeprefix("torch.") for k in KINDS)
        raise ValueError(
            f"the transforms give {kind}, and a view is of {known}: {{use: ToDtype, dtype: float32, scale: true}}"
        )
    white = float(view.double().max()) / scale_of(view)
    if not RANGE[0] <= white <= RANGE[1] and view.dtype != picture.dtype:
        said = (
            f"the transforms give {kind} of values up to {white * scale_of(view):g}, where white is {scale_of(view):g}"
        )
        raise ValueError(f"{said}: {{use: ToDtype, dtype: {kind}, scale: true}} scales them")
