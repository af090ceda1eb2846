"""EXIF's eight orientations, against Pillow's ImageOps.exif_transpose, in every way a picture is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from band_files import saved, tiff, values
from helpers import CPU
from picture_files import picture
from PIL import Image, ImageOps
from torch import Tensor

from graphssl.data import decode as module
from graphssl.data import open_data
from graphssl.data.decode import RGB, Form, decode
from graphssl.data.decoding.upright import TAG, orientation_in, turned
from graphssl.data.fit import Fit
from graphssl.data.nvjpeg import is_for_device
from graphssl.graph import spec

ORIENTATIONS = range(1, 9)
UPRIGHT = Form(upright=True)


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[TAG] = orientation
    return found


def written(orientation: int, kind: str = "JPEG", **options: Any) -> bytes:
    return saved(picture(orientation, 40, 56), kind, exif=exif(orientation), **options)


def by_pillow(data: bytes) -> Tensor:
    import io

    with Image.open(io.BytesIO(data)) as opened:
        return torch.from_numpy(np.array(ImageOps.exif_transpose(opened).convert("RGB"))).permute(2, 0, 1)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_as_pillow_turns_it(kind: str, orientation: int) -> None:
    data = written(orientation, kind, **({"lossless": True} if kind == "WEBP" else {}))
    found = decode(data, UPRIGHT)
    assert torch.equal(found, by_pillow(data))
    assert tuple(found.shape[1:]) == ((56, 40) if orientation > 4 else (40, 56))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("native", [True, False])
def test_jpegs_of_both_decoders(monkeypatch: pytest.MonkeyPatch, orientation: int, native: bool) -> None:
    if not native:
        monkeypatch.setattr(module, "native_decoder", lambda **_: None)
    data = written(orientation, quality=95)
    found, wanted = decode(data, UPRIGHT), by_pillow(data)
    assert found.shape == wanted.shape
    assert (found.int() - wanted.int()).abs().float().mean() < 0.5
    stored = decode(data)
    assert tuple(stored.shape[1:]) == (40, 56), "ignored unless it is asked for"
    assert torch.equal(found, turned(stored, orientation))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_bands_of_a_tiff(orientation: int) -> None:
    """Of any channels, and always: Pillow turns a TIFF as it opens it."""
    array = values(0, 5)
    data = tiff(array, photometric="minisblack", planarconfig="contig", extratags=[(TAG, "H", 1, orientation, True)])
    stored = torch.from_numpy(array).permute(2, 0, 1)
    for upright in (True, False):
        assert torch.equal(decode(data, Form(5, "uint16", False, upright)), turned(stored, orientation))


def test_a_picture_without_a_word_of_it_or_a_wrong_one() -> None:
    assert orientation_in(saved(picture(0), "JPEG")) == 1
    assert orientation_in(written(9)) == 1
    assert orientation_in(written(0)) == 1
    assert orientation_in(b"\xff\xd8\xffExif") == 1


def test_what_must_be_turned_stays_with_the_cpu() -> None:
    data = written(6)
    assert is_for_device(data, RGB)
    assert not is_for_device(data, UPRIGHT)
    assert is_for_device(written(1), UPRIGHT)
    grey = saved(picture(0).convert("L"), "JPEG")
    assert is_for_device(grey)
    assert not is_for_device(grey, Form(converts=False))


@pytest.mark.parametrize("resident", ["memory", "workers"])
@pytest.mark.parametrize("orientation", ["apply", "ignore"])
def test_a_folder_of_turned_pictures(tmp_path: Path, orientation: str, resident: str) -> None:
    for i in ORIENTATIONS:
        (tmp_path / f"{i}.png").write_bytes(written(i, "PNG"))
    data = spec.Data.model_validate(
        {"use": "image_folder", "root": str(tmp_path), "size": [48, 32], "batch": 7, "workers": 0, "orientation": orientation,
         "held_out": "none", "resident": resident, "last": "keep"},
    )  # fmt: skip
    opened = open_data(data, CPU, 0)
    (batch,) = opened._train.read(torch.arange(8), 8, full=False)
    for i, image in zip(ORIENTATIONS, batch.image, strict=True):
        stored = torch.from_numpy(np.array(picture(i, 40, 56))).permute(2, 0, 1)
        seen = by_pillow(written(i, "PNG")) if orientation == "apply" else stored
        assert torch.equal(image, Fit(48, 32)(seen))
    opened.close()
