"""Python that prepares a picture, for a model card: by torchvision's transforms, or by numpy and Pillow alone."""

from __future__ import annotations

from collections.abc import Sequence

from ...data.fit import Fit
from ..preparation import Preparation

__all__ = ["numpy_code", "opens", "picture_code", "torchvision_code"]

COVER = [
    "def cover(x, height, width):  # scaled until it just covers that",
    "    h, w = x.shape[-2:]",
    "    wide = [height, max(w * height // h, width)]",
    "    return v2.functional.resize(x, wide if w * height >= h * width else [max(h * width // w, height), width])",
    "",  # which ends it where lines are pasted
]
FIT = [
    "def fit(x, cover, cut):  # h w c: scaled until it just covers that, and the centre cut out",
    "    (h, w), (height, width) = x.shape[:2], cover",
    "    wide = w * height >= h * width",
    "    height, width = (height, max(w * height // h, width)) if wide else (max(h * width // w, height), width)",
    "    bands = [Image.fromarray(x[..., i]).resize((width, height), Image.BILINEAR) for i in range(x.shape[2])]",
    "    top, left = round((height - cut[0]) / 2), round((width - cut[1]) / 2)",
    "    return numpy.stack(bands, -1)[top : top + cut[0], left : left + cut[1]]",
    "",
]


def opens(prepared: Preparation) -> bool:
    """Whether Pillow opens such pictures: of one or three channels of bytes."""
    return prepared.form.dtype == "uint8" and prepared.channels in (1, 3)


def torchvision_code(prepared: Preparation) -> list[str]:
    """Python that makes `prepare`, of a picture of Pillow's, or of an array `h w c`: `c h w`, float32."""
    first, then = (_transforms(fit) for fit in (prepared.first, prepared.then))
    floats, read = "v2.ToDtype(torch.float32, scale=True)", []
    if opens(prepared):
        turn = ["ImageOps.exif_transpose"] if prepared.form.upright else []
        read = [*turn, "v2.RGB()" if prepared.channels == 3 else "v2.Grayscale()"]
    # Bytes are scaled as bytes; of 16 bits torchvision would cut what it should round.
    scaled = ["v2.ToImage()", *first, floats] if prepared.form.dtype == "uint8" else ["v2.ToImage()", floats, *first]
    steps = [read, scaled, [*then, f"v2.Normalize({_list(prepared.mean)}, {_list(prepared.std)})"]]
    covers = any(fit is not None and fit.height != fit.width for fit in (prepared.first, prepared.then))
    return [
        "import torch",
        "from torchvision.transforms import v2",
        *_imports(prepared),
        *(COVER if covers else []),
        "prepare = v2.Compose([",
        *(f"    {', '.join(step)}," for step in steps if step),
        "])",
    ]


def numpy_code(prepared: Preparation) -> list[str]:
    """Python that makes `prepare`, as the other's, of numpy and Pillow alone."""
    array, whole = "picture", {"uint8": " / 255", "uint16": " / 65535"}.get(prepared.form.dtype, "")
    if opens(prepared):
        array = "ImageOps.exif_transpose(picture)" if prepared.form.upright else array
        array = f"{array}.convert({'RGB' if prepared.channels == 3 else 'L'!r})"
    floats, first = f"x = (x{whole}).astype('float32')", [_fitted(prepared.first)]
    then = [_fitted(prepared.then)] if prepared.then is not None else []
    steps = [*first, floats, *then] if prepared.form.dtype == "uint8" else [floats, *first, *then]
    return [
        "import numpy",
        *(_imports(prepared) if opens(prepared) else ["from PIL import Image"]),
        *FIT,
        "def prepare(picture):",
        f"    x = numpy.atleast_3d({array})",
        *(f"    {step}" for step in steps),
        f"    x = (x - {_list(prepared.mean)}) / {_list(prepared.std)}",
        "    return x.transpose(2, 0, 1).astype('float32')",
        "",
    ]


def picture_code(prepared: Preparation) -> str:
    """Python that makes `picture`."""
    if opens(prepared):
        return "picture = Image.open('picture.jpg')"
    return f"picture = numpy.load('picture.npy')  # h w {prepared.channels}, {prepared.form.dtype}"


def _imports(prepared: Preparation) -> list[str]:
    if not opens(prepared):
        return ["import numpy"]
    return [f"from PIL import Image{', ImageOps' if prepared.form.upright else ''}"]


def _fitted(fit: Fit) -> str:
    return f"x = fit(x, {fit.covered}, {(fit.height, fit.width)})"


def _transforms(fit: Fit | None) -> list[str]:
    if fit is None:
        return []
    height, width = fit.covered
    square = fit.height == fit.width
    scaled = f"v2.Resize({height})" if square else f"v2.Lambda(lambda x: cover(x, {height}, {width}))"
    return [scaled, f"v2.CenterCrop([{fit.height}, {fit.width}])"]


def _list(values: Sequence[float]) -> str:
    return f"[{', '.join(map(repr, values))}]"
