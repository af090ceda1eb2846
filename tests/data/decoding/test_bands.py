"""Pictures of any channels and depth, each against an independent reading; none is converted without being told."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from band_files import deep_png, npy, saved, tiff, values
from PIL import Image
from torch import Tensor

from graphssl.data.decode import BadImageError, Form, decode, size_in
from graphssl.errors import RunError

tifffile = pytest.importorskip("tifffile")


def form(channels: int, dtype: str) -> Form:
    return Form(channels, dtype, converts=False)


def same(picture: Tensor, wanted: np.ndarray) -> bool:
    """Whether a picture, `c h w`, is this array, `h w c`."""
    return picture.numpy().dtype == wanted.dtype and np.array_equal(picture.permute(1, 2, 0).numpy(), wanted)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 4, 5, 13])
@pytest.mark.parametrize(
    "layout", [{}, {"planarconfig": "separate"}, {"pages": True}, {"byteorder": ">"}, {"compression": "zlib"}],
    ids=["interleaved", "planar", "pages", "big-endian", "compressed"],
)  # fmt: skip
def test_tiffs_of_bands(channels: int, dtype: str, layout: dict[str, object]) -> None:
    array = values(channels, channels, dtype)
    options = {"photometric": "minisblack", "planarconfig": "contig", **layout}
    pages = options.pop("pages", False)
    if channels == 1 or pages:
        del options["planarconfig"]
    pages = pages or options.get("planarconfig") == "separate"
    written = array[..., 0] if channels == 1 else array.transpose(2, 0, 1) if pages else array
    data = tiff(np.ascontiguousarray(written), **options)
    assert same(decode(data, form(channels, dtype)), array)
    assert size_in(data, form(channels, dtype)) == (20, 24)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_arrays_of_numpy(channels: int, dtype: str) -> None:
    array = values(0, channels, dtype)
    wanted = form(channels, dtype)
    assert same(decode(npy(array), wanted), array)
    assert same(decode(npy(array.transpose(2, 0, 1)), wanted), array)
    assert same(decode(npy(np.asfortranarray(array)), wanted), array)
    assert same(decode(npy(array.astype(array.dtype.newbyteorder(">"))), wanted), array)
    if channels == 1:
        assert same(decode(npy(array[..., 0]), wanted), array)
    assert size_in(npy(array), wanted) == (20, 24)


def test_a_tiff_whose_writer_was_told_nothing() -> None:
    array = values(0, 4)
    assert same(decode(tiff(array), form(4, "uint16")), array)
    assert same(decode(tiff(np.ascontiguousarray(array.transpose(2, 0, 1))), form(4, "uint16")), array)


def test_the_last_axis_is_the_channels_where_both_may_be() -> None:
    array = values(0, 4, "uint8", h=4)
    assert same(decode(npy(array), form(4, "uint8")), array)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_deep_pngs_keep_their_depth(channels: int) -> None:
    array = values(0, channels)
    assert same(decode(deep_png(array), form(channels, "uint16")), array)


def test_deep_pngs_that_are_damaged_are_bad_pictures() -> None:
    data = deep_png(values(0, 3))
    for cut in range(20, len(data), 97):
        with pytest.raises(BadImageError):
            decode(data[:cut], form(3, "uint16"))
    for at in range(30, len(data) - 12, 61):
        with pytest.raises(BadImageError):
            decode(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :], form(3, "uint16"))


def test_what_pillow_reads_as_it_is() -> None:
    array = values(0, 4, "uint8")
    grey, deep = array[..., 0], values(0, 1)
    cases = [
        (Image.fromarray(grey), "PNG", form(1, "uint8"), grey[..., None]),
        (Image.fromarray(array[..., :2], "LA"), "PNG", form(2, "uint8"), array[..., :2]),
        (Image.fromarray(array[..., :3]), "PNG", form(3, "uint8"), array[..., :3]),
        (Image.fromarray(array), "PNG", form(4, "uint8"), array),
        (Image.fromarray(deep[..., 0]), "PNG", form(1, "uint16"), deep),
        (Image.fromarray(deep[..., 0]), "TIFF", form(1, "uint16"), deep),
        (Image.fromarray(array), "TIFF", form(4, "uint8"), array),
        (Image.fromarray(array[..., :3]).quantize(8), "PNG", form(3, "uint8"), None),
        (Image.fromarray(grey > 100), "PNG", form(1, "uint8"), (grey > 100)[..., None] * np.uint8(255)),
    ]
    for picture, kind, wanted, expected in cases:
        expected = np.array(picture.convert("RGB")) if expected is None else expected
        assert same(decode(saved(picture, kind), wanted), expected), (picture.mode, kind)


def test_a_grey_jpeg_is_one_channel_and_a_colour_one_three() -> None:
    colour = Image.fromarray(values(0, 3, "uint8")).resize((48, 40), Image.Resampling.BICUBIC)
    grey = decode(saved(colour.convert("L"), "JPEG", quality=95), form(1, "uint8"))
    assert (grey.shape, grey.dtype) == ((1, 40, 48), torch.uint8)
    assert torch.equal(grey[0], decode(saved(colour.convert("L"), "JPEG", quality=95))[1])
    data = saved(colour, "JPEG", quality=95)
    assert torch.equal(decode(data, form(3, "uint8")), decode(data))


@pytest.mark.parametrize(
    ("data", "wanted", "reason"),
    [
        (saved(Image.new("L", (8, 8)), "PNG"), form(3, "uint8"), "it has 1 channel of uint8, and the data says 3 channels of uint8"),
        (saved(Image.new("L", (8, 8)), "JPEG"), form(3, "uint8"), "it has 1 channel of uint8, and the data says 3 channels of uint8"),
        (saved(Image.new("RGB", (8, 8)), "JPEG"), form(1, "uint8"), "it has 3 channels of uint8, and the data says 1 channel of uint8"),
        (saved(Image.new("RGB", (8, 8)), "PNG"), form(3, "uint16"), "it has 3 channels of uint8, and the data says 3 channels of uint16"),
        (saved(Image.new("RGBA", (8, 8)), "PNG"), form(3, "uint8"), "it has 4 channels of uint8"),
        (saved(Image.new("CMYK", (8, 8)), "JPEG"), form(3, "uint8"), "it has 4 channels of uint8"),
        (deep_png(values(0, 3)), form(3, "uint8"), "it has 3 channels of uint16"),
        (tiff(values(0, 5), photometric="minisblack", planarconfig="contig"), form(4, "uint16"), "it has 5 channels of uint16, and the data says 4 channels"),
        (tiff(values(0, 4, "uint8"), photometric="minisblack", planarconfig="contig"), form(4, "uint16"), "it has 4 channels of uint8"),
        (npy(values(0, 4)), form(4, "uint8"), "its values are uint16, and the data says uint8"),
        (npy(values(0, 4).astype(np.float64)), form(4, "float32"), "its values are float64, and the data says float32"),
        (npy(values(0, 4)), form(3, "uint16"), "it has 4 channels of uint16"),
        (npy(np.zeros(5, np.uint8)), form(3, "uint8"), "an array of 5 is no picture"),
        (npy(np.zeros((0, 4, 3), np.uint8)), form(3, "uint8"), "an array of 0 4 3 is no picture"),
        (npy(np.zeros((4, 4, 4, 3), np.uint8)), form(3, "uint8"), "an array of 4 4 4 3 is no picture"),
        (npy(np.full((4, 4, 2), np.nan, np.float32)), form(2, "float32"), "some of its values are not finite"),
        (npy(values(0, 4))[:200], form(4, "uint16"), "no whole .npy file"),
        (tiff(values(0, 4))[:60], form(4, "uint16"), ""),
        (tiff(np.zeros((2, 8, 8, 3), np.uint8), photometric="rgb"), form(3, "uint8"), "its axes are"),
        (b"nothing", form(4, "uint8"), "no known picture format"),
        (b"P6 2 1 65535\n" + bytes(12), form(3, "uint8"), "a PPM of 16 bits and three channels"),
    ],
)  # fmt: skip
def test_another_picture_is_refused_and_not_converted(data: bytes, wanted: Form, reason: str) -> None:
    with pytest.raises(BadImageError) as caught:
        decode(data, wanted)
    assert reason in str(caught.value)


def test_without_a_word_everything_is_rgb_as_before() -> None:
    grey = values(0, 1, "uint8")
    assert same(decode(npy(grey[..., 0])), grey.repeat(3, -1))
    assert same(decode(npy(grey.repeat(3, -1))), grey.repeat(3, -1))
    deep = values(0, 1)
    assert same(decode(saved(Image.fromarray(deep[..., 0]), "PNG")), (deep >> 8).astype(np.uint8).repeat(3, -1))
    with pytest.raises(BadImageError, match="its values are uint16, and the data says uint8"):
        decode(npy(values(0, 3)))


def test_without_tifffile_there_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiff(values(0, 5), photometric="minisblack", planarconfig="contig")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(RunError, match=r"pip install 'graphssl\[tiff\]'"):
        decode(data, form(5, "uint16"))


def test_white_that_is_zero() -> None:
    array = values(0, 1)[..., 0]
    assert same(decode(tiff(array, photometric="miniswhite"), form(1, "uint16")), (65535 - array)[..., None])
