"""No file stops the reading or fills the memory: each is a bad picture, with the reason."""

from __future__ import annotations

import io
import os
import socket
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from picture_files import picture
from PIL import Image

from graphssl.data import open_data
from graphssl.data.decode import decode, read, size_in
from graphssl.data.decoding import bounds
from graphssl.data.decoding.form import ANY, RGB, BadImageError, Form
from graphssl.data.fit import Fit
from graphssl.data.lists import ListError, read_list
from graphssl.errors import RunError
from graphssl.graph import spec

DEEP = Form(3, "uint16", converts=False)


def coded(form: str, height: int = 40, width: int = 48) -> bytes:
    file = io.BytesIO()
    picture(0, height, width).save(file, form)
    return file.getvalue()


def of_size(height: int, width: int) -> bytes:
    """A small JPEG whose header says something else."""
    data = bytearray(coded("JPEG"))
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def png(height: int, width: int, bits: int, colour: int, inside: int) -> bytes:
    """A PNG of so many bytes of pixels, all of them zero."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packed = zlib.compressobj(9)
    body = b"".join(packed.compress(bytes(1 << 20)) for _ in range(inside >> 20)) + packed.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def npy(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(64)


def refused(data: bytes, form: Form = RGB) -> str:
    """Why, and that nothing large is made for it."""
    tracemalloc.start()
    with pytest.raises(BadImageError) as error:
        decode(data, form)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()
    return str(error.value)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (os.mkfifo, "a pipe"),
        (lambda path: os.symlink("/dev/zero", path), "a device"),
        (lambda path: os.symlink("/dev/random", path), "a device"),
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "a socket"),
    ],
)
def test_what_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], name: str
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    make(Path("x.jpg"))
    with pytest.raises(BadImageError, match=f"{name}|Is a directory"):
        read("x.jpg")
    make(Path("x.csv"))
    with pytest.raises(ListError, match=f"{name}|cannot be read"):
        read_list("x.csv", None)


@pytest.mark.parametrize("path", ["/proc/self/maps", "/proc/kmsg"])
def test_files_of_the_system_are_empty(path: str) -> None:
    if not os.access(path, os.R_OK):
        pytest.skip("there is none")
    assert read(path) == b""


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    for name, start in (("a.jpg", b"\xff\xd8\xff"), ("b.csv", b"path\n")):
        with (tmp_path / name).open("wb") as file:
            file.write(start)
            file.truncate(5 << 30)
    with pytest.raises(BadImageError, match=r"the file has 5\.0 GiB, and a picture may have 2\.0 GiB"):
        read(str(tmp_path / "a.jpg"))
    with pytest.raises(ListError, match=r"has 5\.4 GB; a list may have 4\.3 GB"):
        read_list(str(tmp_path / "b.csv"), None)


def test_a_large_file_that_is_no_picture_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(BadImageError, match="no known picture format"):
        read(str(tmp_path / "a.jpg"))


@pytest.mark.parametrize(
    ("data", "form", "shown"),
    [
        (of_size(65000, 65000), Form(), "65,000 x 65,000 pixels take 11.8 GiB, and a picture may have 2.0 GiB"),
        (of_size(65000, 65000), Form(3, converts=False), "65,000 x 65,000"),
        (png(60000, 60000, 8, 0, 0), Form(), "60,000 x 60,000 pixels take 10.1 GiB"),
        (png(60000, 60000, 16, 2, 0), DEEP, "60,000 x 60,000 pixels take 20.1 GiB"),
        (png(10, 10, 16, 2, 512 << 20), DEEP, "the file is truncated"),
        (npy((99999, 99999, 3)), Form(), "its header says 29,999,400,003"),
        (npy((2**40, 2**40, 3)), Form(), "its header says"),
    ],
    ids=["jpeg", "jpeg as it is", "png", "deep png", "unpacked", "npy", "npy of more than there is"],
)
def test_headers_that_ask_for_too_much(data: bytes, form: Form, shown: str) -> None:
    assert shown in refused(data, form)
    if not data.startswith(b"\x93"):
        assert size_in(data) is None or size_in(data) == (10, 10)


def test_a_tiff_that_asks_for_too_much() -> None:
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((8, 8), np.uint16))
    data = file.getvalue()
    for tag in (256, 257):  # width and height
        at = data.find(struct.pack("<H", tag) + struct.pack("<H", 4), 8)
        at = at if at >= 0 else data.find(struct.pack("<HH", tag, 3), 8)
        kind = struct.unpack_from("<H", data, at + 2)[0]
        data = (
            data[: at + 8]
            + struct.pack("<I" if kind == 4 else "<HH", *([60000] if kind == 4 else [60000, 0]))
            + data[at + 12 :]
        )
    assert "60,000 x" in refused(data, Form(1, "uint16", converts=False)) or "3,600,000,000 pixels" in refused(
        data, Form(1, "uint16", converts=False)
    )


def test_the_bound_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    data = coded("PNG", 3000, 4000)
    monkeypatch.setattr(bounds, "LARGE", 1 << 20)
    assert decode(data).shape == (3, 3000, 4000)
    monkeypatch.setenv(bounds.LARGEST, "30")
    assert "take 0.0 GiB" in refused(data)
    monkeypatch.setenv(bounds.LARGEST, "3000")
    assert decode(data).shape == (3, 3000, 4000)
    for wrong in ("0", "-1", "2 GiB", "1e3"):
        monkeypatch.setenv(bounds.LARGEST, wrong)
        with pytest.raises(RunError, match="should be a whole number of MiB"):
            bounds.largest()


def test_large_pictures_of_satellites_are_read() -> None:
    """Pillow alone would refuse them, as bombs."""
    data = png(14000, 14000, 1, 0, 14000 * 1751 + (1 << 20))
    assert size_in(data) == (14000, 14000)
    bounds.check_pixels(20_000, 20_000, 3)
    assert Image.MAX_IMAGE_PIXELS is not None


def test_there_must_be_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "free_memory", lambda: 1 << 28)
    with pytest.raises(MemoryError, match=r"20,000 x 20,000 pixels take 1\.1 GiB, and 0\.2 GiB of memory are free"):
        bounds.check_pixels(20_000, 20_000, 3)


@pytest.mark.parametrize("between", [b"", b"\0\0\0", b"\xff\xff", b"\xff\x01"])
def test_the_size_in_a_jpeg(between: bytes) -> None:
    data = coded("JPEG")
    at = data.find(b"\xff\xdb")
    data = data[:at] + between + data[at:]
    assert bounds.jpeg_size(data) == (40, 48)
    assert decode(data).shape == (3, 40, 48)
    assert bounds.jpeg_size(data[:100]) is None


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"\0\0\0\x18ftypheic", "it is HEIC, which is not read here"),
        (b"<?xml version='1.0'?><svg/>", "it is SVG"),
        (b"PK\3\4", "it is a zip"),
        (b"nothing", "no known picture format"),
    ],
)
def test_formats_that_are_not_read_are_named(data: bytes, shown: str) -> None:
    assert shown in refused(data)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "JPEG2000", "BMP", "PPM"])
@pytest.mark.parametrize("as_said", [Form(), ANY])
def test_damaged_files_are_told_in_a_line(capfd: pytest.CaptureFixture[str], form: str, as_said: Form) -> None:
    """No decoder's own frames, before it or in it."""
    whole, said = coded(form), list[str]()
    for share in (8, 4, 2):
        for data in (whole[: len(whole) // share], whole[:20] + whole[len(whole) // share :]):
            try:
                decode(data, as_said)
            except BadImageError as error:
                said.append(str(error))
    assert said
    assert all("\n" not in why and "Exception raised from" not in why for why in said)
    assert capfd.readouterr().err == "" or form == "JPEG"  # libjpeg's, which workers keep to themselves


def test_workers_are_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = coded("JPEG")
    for i, cut in enumerate((20, 30, len(whole) // 2, len(whole) // 4)):
        (tmp_path / f"{i}.jpg").write_bytes(whole[:20] + whole[cut:])
        (tmp_path / f"w{i}.jpg").write_bytes(whole)
    data = {"use": "image_folder", "root": str(tmp_path), "batch": 2, "workers": 1, "size": 16, "held_out": "none"}
    opened = open_data(spec.Data.model_validate({**data, "on_bad_image": "skip"}), torch.device("cpu"), 0)
    assert opened.train.samples + opened.bad.count == 8
    opened.close()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("h", "w"), [(1, 65_000), (65_000, 1), (3, 60_000), (60_000, 7)])
def test_a_strip_is_scaled_without_the_rest(h: int, w: int) -> None:
    strip = torch.arange(h * w, dtype=torch.int64).mul(255).div(h * w).to(torch.uint8).view(1, h, w).expand(3, -1, -1)
    made = Fit(224, 224)(strip)
    assert made.shape == (3, 224, 224)
    assert (made.float().mean() - 127).abs() < 3, "of its middle"


@pytest.mark.parametrize(("h", "w"), [(5, 2000), (2000, 4), (6, 901), (1, 300)])
def test_the_middle_of_a_strip_is_what_the_whole_one_shows(h: int, w: int, monkeypatch: pytest.MonkeyPatch) -> None:
    strip = torch.randint(0, 256, (3, h, w), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = Fit(60, 60)(strip)
    monkeypatch.setattr("graphssl.data.fit.MOST", 1)
    assert (Fit(60, 60)(strip).int() - whole.int()).abs().max() < 4
