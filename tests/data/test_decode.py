"""Decoding and fitting one picture, against Pillow and torchvision's transforms; what a bad picture says."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from picture_files import picture, seen
from PIL import Image
from torch import Tensor

from graphssl.data import decode as module
from graphssl.data.decode import BadImageError


def pixels(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("RGB", "jpg"), ("L", "jpg"), ("CMYK", "jpg"), ("RGB", "png"), ("RGBA", "png"), ("LA", "png"), ("P", "png"),
        ("1", "png"), ("RGB", "webp"), ("RGB", "bmp"), ("P", "gif"), ("RGB", "tif"), ("RGB", "ppm"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("native", [True, False])
def test_each_kind_of_file_reads_as_pillow_reads_it(
    tmp_path: Path, mode: str, suffix: str, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native:
        monkeypatch.setattr(module, "native_decoder", lambda **_: None)
    path = tmp_path / f"picture.{suffix}"
    picture(1, 32, 32).convert(mode).save(path)
    with Image.open(path) as image:
        expected = pixels(image)
    assert (seen(path, 32).int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
@pytest.mark.parametrize("native", [True, False])
def test_sixteen_bits_keep_their_high_byte(
    tmp_path: Path, suffix: str, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native:
        monkeypatch.setattr(module, "native_decoder", lambda **_: None)
    grey = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 63
    Image.fromarray(grey).save(tmp_path / f"deep.{suffix}")
    expected = torch.from_numpy((grey >> 8).astype(np.uint8)).expand(3, -1, -1)
    assert torch.equal(seen(tmp_path / f"deep.{suffix}", 32), expected)


def test_sixteen_bits_of_colour_keep_their_high_byte(tmp_path: Path) -> None:
    rows = b"\0" + struct.pack(">3H", 0x12FF, 0xFE01, 0x80) * 4
    chunks = [(b"IHDR", struct.pack(">2I5B", 4, 4, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows * 4)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    expected = torch.tensor([0x12, 0xFE, 0], dtype=torch.uint8)[:, None, None].expand(3, 4, 4)
    assert torch.equal(seen(tmp_path / "deep.png", 4), expected)


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_thirty_two_bits_are_refused(tmp_path: Path, kind: type) -> None:
    """Pillow would make them all white, or all black where white is 1."""
    Image.fromarray(np.full((8, 8), 0.7 if kind is np.float32 else 30_000, kind)).save(tmp_path / "deep.tif")
    with pytest.raises(BadImageError, match="32-bit numbers, and nothing says which is white"):
        seen(tmp_path / "deep.tif", 8)


def test_a_name_need_not_tell_the_format(tmp_path: Path) -> None:
    picture(2, 32, 32).save(tmp_path / "really.png")
    (tmp_path / "really.png").rename(tmp_path / "picture.JPG")
    assert torch.equal(seen(tmp_path / "picture.JPG", 32), pixels(picture(2, 32, 32)))


def test_a_picture_of_one_pixel_fills_the_square(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (10, 200, 30)).save(tmp_path / "dot.png")
    image = seen(tmp_path / "dot.png", 16)
    assert torch.equal(image, torch.tensor([10, 200, 30], dtype=torch.uint8)[:, None, None].expand(3, 16, 16))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp"])
@pytest.mark.parametrize("native", [True, False])
def test_a_truncated_picture_is_bad(tmp_path: Path, suffix: str, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not native:
        monkeypatch.setattr(module, "native_decoder", lambda **_: None)
    path = tmp_path / f"cut.{suffix}"
    picture(3, 200, 200).save(path)
    cut(path)
    with pytest.raises(BadImageError, match="truncated"):
        seen(path, 32)


def test_a_png_with_a_wrong_bit_is_bad(tmp_path: Path) -> None:
    """In a process of its own: torchvision's decoder ends it."""
    path = tmp_path / "bit.png"
    picture(3, 60, 60).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code = "import sys; from graphssl.data.decode import decode, read; decode(read(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith("graphssl.data.decoding.form.BadImageError: "), done


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "the file is empty"), (b"not a picture\n", "no known picture format"), (b"\xff\xd8\xff\xe0", ".+")],
)
def test_what_is_no_picture_says_why(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(BadImageError, match=why):
        seen(path, 32)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match="No such file"):
        seen(tmp_path / "gone.jpg", 32)


def test_a_photo_that_is_damaged_is_a_bad_image(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    photo(600, 800).save(path, quality=90)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadImageError, match="truncated"):
        seen(path, 70)


def photo(height: int, width: int) -> Image.Image:
    """A picture with the grain of a photo, which takes its bytes."""
    smooth = np.asarray(picture(7, height, width)).astype(np.int16)
    grain = np.random.RandomState(0).randint(-10, 11, smooth.shape)
    return Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))


def test_a_bad_image_error_is_one_line() -> None:
    with pytest.raises(BadImageError) as caught:
        seen("/nowhere/a.jpg", 8)
    assert "\n" not in str(caught.value)
