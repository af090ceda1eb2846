"""What a user hands over as pictures: paths, tensors, arrays, Pillow's pictures, and lists of any of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from ...data.decode import Form
from ...data.decoding.arrays import high_bytes, is_sixteen
from ...data.decoding.arrays import of_pillow as as_it_is
from ...data.decoding.upright import orientation_of, turned
from ...data.folder import suffixes_for
from ...errors import RunError, UsageError, reason_of
from .listing import listed

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

__all__ = ["Given", "Images", "given", "of_pillow"]

Images: TypeAlias = "Tensor | np.ndarray[Any, Any] | Image | str | Path | Iterable[Images]"
TAKEN = "a tensor, an array, a Pillow picture, a path, or a list of these"


@dataclass(frozen=True)
class Given:
    """Pictures in the order in which they were given.

    pictures: of each the path of its file, or its values, uint8 `c h w`. names: of the file, or `image 3` by its place.
    labels: the class that a file's folder says, else None.
    """

    pictures: Sequence[str | Tensor]
    names: Sequence[str]
    labels: Sequence[str | None]


def given(images: Images, form: Form, name: str = "images") -> Given:
    """The pictures of whatever was handed over. form: of those that the encoder takes. name: of the argument.

    Raises UsageError, which says where it stands in a list, for what are no pictures, and where there are none.
    """
    try:
        found = list(_flat(images, form, name))
    except RecursionError:
        raise UsageError(f"{name} are lists in lists in lists, too deep to follow") from None
    if not found:
        raise UsageError(f"{name} are none: at least one picture is needed")
    names = (file or f"image {place}" for place, (_, file, _) in enumerate(found))
    return Given([picture for picture, _, _ in found], list(names), [label for _, _, label in found])


One: TypeAlias = tuple[str | Tensor, str | None, str | None]  # a picture, its file's name, its class


def _flat(images: Any, form: Form, place: str, around: tuple[int, ...] = ()) -> Iterator[One]:
    """around: the lists that it stands in."""
    if isinstance(images, str | Path):
        yield from ((path, path, label) for path, label in listed(images, suffixes_for(form)))
    elif isinstance(images, Tensor):
        yield from ((image, None, None) for image in _of_tensor(images, form, place))
    elif _is_array(images):
        yield from ((image, None, None) for image in _of_array(images, form, place))
    elif _is_pillow(images):
        yield of_pillow(images, form, place), None, None
    elif isinstance(images, Iterable) and not isinstance(images, bytes | bytearray | Mapping):
        if id(images) in around:
            raise UsageError(f"{place} are a list that holds itself")
        for number, one in enumerate(_taken(images, place)):
            yield from _flat(one, form, f"{place}[{number}]", (*around, id(images)))
    else:
        raise UsageError(f"{place} are no pictures: {TAKEN}; got {type(images).__name__}")


def _taken(images: Iterable[Any], place: str) -> Iterator[Any]:
    """One after the other, of what may be anybody's code. Raises UsageError for what that raises."""
    number = -1
    try:
        for number, one in enumerate(images):  # noqa: B007
            yield one
    except (RunError, RecursionError):
        raise
    except Exception as error:
        raise UsageError(f"{place}[{number + 1}] cannot be had: {type(error).__name__}: {reason_of(error)}") from error


def _of_tensor(image: Tensor, form: Form, place: str) -> Tensor:
    """`b c h w`. Pixels of another range or layout would give features too, and wrong ones."""
    channels = form.channels
    wanted = f"{place} are {form.dtype}, b {channels} h w or {channels} h w, in a torch tensor"
    dtype = str(image.dtype).removeprefix("torch.")
    if unplain := _unplain(image):
        raise UsageError(f"{wanted}; got {unplain} one, {dtype}")
    shape = list(image.shape)
    batch = image[None] if image.ndim == 3 else image
    if dtype != form.dtype or batch.ndim != 4 or batch.shape[1] != channels:
        raise UsageError(f"{wanted}{_how(image) if form.dtype == 'uint8' else ''}; got {dtype} {shape}")
    if 0 in shape:
        raise UsageError(f"{wanted}, and at least one; got {shape}")
    return batch


def _unplain(image: Tensor) -> str | None:
    """What a tensor is whose values do not lie as a picture's do."""
    if image.is_nested:
        return "a nested"
    if image.is_meta:
        return "a meta"
    return None if image.layout == torch.strided else "a sparse"


def _how(image: Tensor) -> str:
    """How values of another type become bytes."""
    if not image.is_floating_point() or not image.numel():
        return ""
    return ", 0 to 255" if image.float().amax() > 1 else ", 0 to 255: (images * 255).round().to(torch.uint8)"


def _of_array(array: Any, form: Form, place: str) -> Tensor:
    """`b c h w` of Pillow's, OpenCV's and numpy's layout; a picture of two axes is grey."""
    channels = form.channels
    wanted = f"{place} are {form.dtype}, h w {channels} or b h w {channels}, in an array"
    shape = list(array.shape)
    if str(array.dtype) == form.dtype and array.ndim == 2 and channels in (1, 3):
        array = array[..., None].repeat(channels, -1)
    if str(array.dtype) != form.dtype or array.ndim not in (3, 4) or array.shape[-1] != channels:
        turned = array.ndim > 2 and array.shape[-3] == channels
        hint = " (channels first: torch.from_numpy makes a tensor of it)" if turned else ""
        raise UsageError(f"{wanted}{hint}; got {array.dtype} {shape}")
    if 0 in shape:
        raise UsageError(f"{wanted}, and at least one; got {shape}")
    if getattr(array, "mask", None) is not None and array.mask.any():
        raise UsageError(f"{place} are a masked array, and pictures have no holes: array.filled(0), say")
    image = torch.from_numpy(array.copy())  # which may be read-only, or run backwards
    return (image[None] if image.ndim == 3 else image).movedim(-1, 1)


def of_pillow(picture: Any, form: Form, place: str) -> Tensor:
    """`c h w`, as if its file had been read."""
    import numpy as np

    channels = form.channels
    if not form.converts:
        return _as_it_is(picture, form, place)
    if channels not in (1, 3):
        raise UsageError(f"{place} are of {channels} channels, which no Pillow picture has: give tensors or arrays")
    try:
        picture.load()
        if is_sixteen(picture):
            return _upright(high_bytes(picture).expand(channels, -1, -1), picture, form)
        if picture.mode in ("I", "F"):
            raise UsageError(f"{place} are 32-bit numbers, and nothing says which is white: give uint8")
        values = torch.from_numpy(np.array(picture.convert("RGB" if channels == 3 else "L")))
        if not values.numel():
            raise UsageError(f"{place} has no pixels: {picture.width} x {picture.height}")
        return _upright(values.reshape(picture.height, picture.width, channels).permute(2, 0, 1), picture, form)
    except (MemoryError, UsageError):
        raise
    except Exception as error:  # Pillow raises what it likes
        raise UsageError(f"{place} cannot be read: {reason_of(error)}") from error


def _upright(values: Tensor, picture: Any, form: Form) -> Tensor:
    return turned(values, orientation_of(picture)) if form.upright else values


def _as_it_is(picture: Any, form: Form, place: str) -> Tensor:
    try:
        picture.load()
        return _upright(as_it_is(picture, form), picture, form)
    except MemoryError:
        raise
    except Exception as error:
        raise UsageError(f"{place}: {reason_of(error)}") from error


def _is_array(value: object) -> bool:
    import numpy as np

    return isinstance(value, np.ndarray)


def _is_pillow(value: object) -> bool:
    from PIL.Image import Image

    return isinstance(value, Image)
