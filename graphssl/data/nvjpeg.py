"""JPEGs decoded on a GPU (nvJPEG, by torchvision.io): the workers then only read files.

Baseline JPEGs in grey or YCbCr that are whole go there; the workers decode all others. The pictures differ from the
CPU's by a grey level or two, as the two libraries round differently.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import RunError, reason_of
from .decode import JPEG, RGB, Form
from .decoding.upright import orientation_in

ENGINES = {(8, 0), (9, 0), (10, 0), (10, 3)}  # compute capabilities of GPUs with an engine for JPEG: A100, H100, B200
BASELINE, TABLES = (0xC0, 0xC1), (0xC4, 0xC8, 0xCC)
FRAMES = frozenset(range(0xC0, 0xD0)) - set(TABLES)
MOST = 1 << 28  # pixels
END = b"\xff\xd9"


def reason_against(decode: str, device: torch.device, form: Form = RGB) -> str | None:
    """Why the workers decode, None where the device does. Raises RunError where `decode: device` cannot be had."""
    if decode == "cpu" or device.type != "cuda":
        return "data.decode: cpu" if decode == "cpu" else f"the device is {device.type}"
    if decode == "auto" and torch.cuda.get_device_capability(device) not in ENGINES:
        return f"{torch.cuda.get_device_name(device)} has no engine for JPEG (`data.decode: device` does without)"
    if (form.channels, form.dtype) != (3, "uint8"):
        return f"they are of {form.channels} channels of {form.dtype}"
    reason = _failure(device)
    if reason is not None and decode == "device":
        raise RunError(f"`data.decode: device`: torchvision cannot decode JPEG on {device} ({reason}); choose `auto`")
    return reason


def _failure(device: torch.device) -> str | None:
    """Why a small picture cannot be decoded on the device."""
    try:
        from torchvision.io import encode_jpeg

        decode_all([encode_jpeg(torch.zeros((3, 16, 16), dtype=torch.uint8))], device)
    except Exception as error:  # torchvision without nvJPEG, a driver that is too old: each in its own way
        return reason_of(error)
    return None


def decode_all(files: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """uint8 `3 h w`, each of its size, on the device."""
    from torchvision.io import ImageReadMode, decode_jpeg

    decoded: list[Tensor] = decode_jpeg(list(files), mode=ImageReadMode.RGB, device=device)
    return decoded


def is_for_device(data: bytes, form: Form = RGB) -> bool:
    """Whether a file is a whole baseline JPEG of one or three channels, which the engine decodes as the CPU does.

    What must be turned stays with the CPU; and grey, where it must not be made RGB.
    """
    return _is_plain(data, (1, 3) if form.converts else (3,)) and not (form.upright and orientation_in(data) != 1)


def _is_plain(data: bytes, channels: tuple[int, ...]) -> bool:
    if not data.startswith(JPEG) or data[-64:].rstrip(b"\0")[-2:] != END:
        return False
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in FRAMES:
            if (
                not 0
                < int.from_bytes(data[at + 5 : at + 7], "big") * int.from_bytes(data[at + 7 : at + 9], "big")
                < MOST
            ):
                return False  # the CPU asks whether there is room for it
            named_rgb = data[at + 10 : at + 17 : 3] == b"RGB"
            return marker in BASELINE and data[at + 4] == 8 and data[at + 9] in channels and not named_rgb
        if marker == 0xEE and data[at + 4 : at + 9] == b"Adobe" and data[at + 15 : at + 16] == b"\0":
            return False  # stored as RGB or CMYK
        at += 2 + length
    return False
