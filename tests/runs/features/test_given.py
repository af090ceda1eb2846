"""What is taken as pictures, and what is said of anything else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picture_files import picture, seen, write_folder
from PIL import Image
from torch import Tensor

from graphssl.data.decode import RGB, Form, decode
from graphssl.errors import UsageError
from graphssl.runs.features.given import given


def tensor(seed: int = 0) -> Tensor:
    return torch.from_numpy(np.array(picture(seed))).permute(2, 0, 1)


def values(images: Any, channels: int = 3) -> list[Tensor]:
    found = given(images, Form(channels)).pictures
    assert all(isinstance(one, Tensor) for one in found)
    return [one for one in found if isinstance(one, Tensor)]


def test_each_form_is_the_same_picture() -> None:
    one = tensor()
    array = np.array(picture(0))
    for form in (one, one[None], array, array[None], picture(0), array[::-1, ::-1][::-1, ::-1], iter([one]), (one,)):
        (found,) = values(form)
        assert torch.equal(found, one), type(form)


def test_an_array_of_two_axes_is_grey() -> None:
    array = np.array(picture(0).convert("L"))
    (found,) = values(array)
    assert torch.equal(found, torch.from_numpy(array).expand(3, -1, -1))
    (found,) = values(array, channels=1)
    assert found.shape == (1, *array.shape)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1", "I;16", "YCbCr"])
def test_pillows_pictures_are_what_their_files_would_be(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray((np.arange(12 * 16).reshape(12, 16) * 300).astype(np.uint16))
    else:
        image = picture(3, 12, 12).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "PNG" if mode not in ("CMYK", "YCbCr") else "TIFF")
    (found,) = values(image)
    assert found.dtype == torch.uint8
    side = min(image.size)
    left = round((image.width - side) / 2)
    assert torch.equal(found[:, :, left : left + side], seen(buffer.getvalue(), side))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff"])
@pytest.mark.parametrize("form", [Form(upright=True), Form(3, converts=False, upright=True), RGB])
def test_pillows_pictures_are_turned_as_their_files_are(orientation: int, kind: str, form: Form) -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    picture(2).save(buffer, kind, exif=exif)
    wanted = decode(buffer.getvalue(), form)
    for opened in (Image.open(buffer), Image.open(buffer).convert("RGB")):
        found = given(opened, form).pictures[0]
        assert isinstance(found, Tensor)
        assert found.shape == wanted.shape
        assert (found.int() - wanted.int()).abs().max() <= 3, "another decoder of JPEG"


def test_a_list_may_hold_anything(tmp_path: Path) -> None:
    write_folder(tmp_path / "photos", parts=("train",), each=2)
    picture(9).save(tmp_path / "one.jpg")
    found = given([tensor(), str(tmp_path / "photos"), [picture(1), torch.stack([tensor(2), tensor(3)])],
                   tmp_path / "one.jpg"], RGB)  # fmt: skip
    inside = [
        str(tmp_path / f"photos/train/{name}") for name in ("ant/000.jpg", "ant/001.jpg", "bee/000.jpg", "bee/001.jpg")
    ]
    assert found.names == ["image 0", *inside, "image 5", "image 6", "image 7", str(tmp_path / "one.jpg")]
    assert found.labels == [None, "ant", "ant", "bee", "bee", None, None, None, None]
    assert [p for p in found.pictures if isinstance(p, str)] == [*inside, str(tmp_path / "one.jpg")]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "images are none: at least one picture is needed"),
        (3, "images are no pictures: a tensor, an array, a Pillow picture, a path, or a list of these; got int"),
        (b"bytes", "images are no pictures: .*; got bytes"),
        ({"a": 1}, "images are no pictures: .*; got dict"),
        ([tensor(), None], r"images\[1\] are no pictures: .*; got NoneType"),
        ([[tensor()], [tensor().float()]], r"images\[1\]\[0\] are uint8, b 3 h w or 3 h w, in a torch tensor, 0 to 255; got float32"),
        (tensor().float() / 255, r"0 to 255: \(images \* 255\).round\(\).to\(torch.uint8\); got float32 \[3, 40, 48\]"),
        (np.zeros((4, 3, 32, 32), np.uint8), r"h w 3 or b h w 3, in an array \(channels first: torch.from_numpy .*; got uint8 \[4, 3, 32, 32\]"),
        (np.zeros((4, 4, 3)), r"images are uint8, h w 3 or b h w 3, in an array; got float64 \[4, 4, 3\]"),
        (np.zeros((4, 4, 4), np.uint8), r"got uint8 \[4, 4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), r"and at least one; got \[0, 4, 3\]"),
        (Image.new("F", (4, 4)), "images are 32-bit numbers, and nothing says which is white"),
        (Image.new("RGB", (0, 4)), "images has no pixels: 0 x 4"),
    ],
)  # fmt: skip
def test_what_are_no_pictures(images: Any, message: str) -> None:
    with pytest.raises(UsageError, match=f"{message}"):
        given(images, RGB)


def raising() -> Iterator[Tensor]:
    yield tensor()
    raise KeyError("gone")


def endless() -> list[Any]:
    found: list[Any] = [tensor()]
    found.append([found])
    return found


def deep() -> list[Any]:
    found: list[Any] = [tensor()]
    for _ in range(5000):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (tensor().to_sparse(), "images are uint8, b 3 h w .*; got a sparse one, uint8"),
        ([tensor(), tensor().to("meta")], r"images\[1\] are uint8, .*; got a meta one, uint8"),
        (torch.nested.nested_tensor([tensor().float(), tensor().float()]), "images are .*; got a nested one, float32"),
        (torch.ones(3, 8, 8, dtype=torch.float8_e4m3fn), "images are uint8, .*; got float8_e4m3fn"),
        (np.ma.masked_equal(np.array(picture(0)), np.array(picture(0))[0, 0, 0]), "images are a masked array, and pic"),
        ("", "there is no file or folder ''"),
        (endless(), r"images\[1\]\[0\] are a list that holds itself"),
        (deep(), "images are lists in lists in lists, too deep to follow"),
        (raising(), r"images\[1\] cannot be had: KeyError: 'gone'"),
    ],
)
def test_what_cannot_be_looked_at(images: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        given(images, RGB)


def test_a_list_may_hold_one_twice() -> None:
    one = [tensor()]
    assert len(given([one, one], RGB).pictures) == 2


def test_a_damaged_picture_of_pillows_is_said(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "it.png")
    data = (tmp_path / "it.png").read_bytes()
    (tmp_path / "it.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(UsageError, match=r"images\[0\] cannot be read: "):
        given([Image.open(tmp_path / "it.png")], RGB)


def test_channels_are_the_encoders() -> None:
    assert values(torch.zeros(2, 4, 8, 8, dtype=torch.uint8), channels=4)[1].shape == (4, 8, 8)
    assert values(np.zeros((8, 9, 4), np.uint8), channels=4)[0].shape == (4, 8, 9)
    with pytest.raises(UsageError, match="b 4 h w or 4 h w"):
        given(tensor(), Form(4))
    with pytest.raises(UsageError, match="are of 4 channels, which no Pillow picture has"):
        given(picture(0), Form(4))
    (grey,) = values(picture(0), channels=1)
    assert torch.equal(grey[0], torch.from_numpy(np.array(picture(0).convert("L"))))


def test_bands_and_depths_are_the_encoders() -> None:
    deep = Form(4, "uint16", converts=False)
    array = np.random.RandomState(0).randint(0, 65536, (8, 9, 4)).astype(np.uint16)
    (of_array,), (of_tensor,) = (given(x, deep).pictures for x in (array, torch.from_numpy(array).permute(2, 0, 1)))
    assert isinstance(of_array, Tensor)
    assert isinstance(of_tensor, Tensor)
    assert torch.equal(of_array, of_tensor)
    with pytest.raises(UsageError, match=r"images are uint16, b 4 h w or 4 h w, in a torch tensor; got uint8"):
        given(tensor(), deep)
    with pytest.raises(UsageError, match="images are uint16, h w 4 or b h w 4, in an array; got uint8"):
        given(array.astype(np.uint8), deep)
    with pytest.raises(UsageError, match="images: it has 3 channels of uint8, and the data says 4 channels of uint16"):
        given(picture(0), deep)
    grey = Image.fromarray(array[..., 0].copy())
    assert given(grey, Form(1, "uint16", converts=False)).pictures[0].dtype == torch.uint16  # type: ignore[union-attr]
