"""JPEGs that the device decodes: which ones, the same batches as from the workers, and who decodes where it cannot.

On a CPU the device's decoder is torchvision's for lists of files, which a GPU has too.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import CPU, CUDA
from picture_files import picture, same, write_folder
from PIL import Image

from graphssl.data import BadImages, Batch, nvjpeg, open_data
from graphssl.data.fit import Fit, resized
from graphssl.data.folder import listing
from graphssl.data.nvjpeg import is_for_device, reason_against
from graphssl.data.workers import Workers
from graphssl.errors import RunError
from graphssl.graph import spec


def saved(image: Image.Image, kind: str = "JPEG", **settings: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)  # type: ignore[arg-type]
    return file.getvalue()


PLAIN = saved(picture(0))
FILES = {
    "plain": (PLAIN, True), "grey": (saved(picture(0).convert("L")), True), "444": (saved(picture(0), subsampling=0), True),
    "with EXIF and a comment": (saved(picture(0), exif=b"Exif\0\0" + b"x" * 300, comment=b"hello"), True),
    "with zeros behind": (PLAIN + b"\0" * 20, True), "progressive": (saved(picture(0), progressive=True), False),
    "CMYK": (saved(picture(0).convert("CMYK")), False), "kept as RGB": (saved(picture(0), keep_rgb=True), False),
    "cut": (PLAIN[: len(PLAIN) // 2], False), "png": (saved(picture(0), "PNG"), False), "nothing": (b"", False),
    "named as RGB": (PLAIN.replace(b"\x01\x22\x00\x02\x11\x01\x03\x11\x01", b"R\x22\x00G\x11\x01B\x11\x01"), False),
    "only a start": (PLAIN[:3] + b"\xff\xd9", False), "text": (b"\xff\xd8\xff" + b"a" * 50 + b"\xff\xd9", False),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_whole_baseline_files_are_for_the_device(name: str) -> None:
    data, expected = FILES[name]
    assert is_for_device(data) is expected


def workers(root: Path, *, coded: bool, workers: int = 0, skip: bool = False) -> Workers:
    return Workers(listing(root)[0], Fit(16, 16), CPU, workers, BadImages(), skip=skip, coded=coded)


def read(source: Workers, *, full: bool = True, batch: int = 5) -> list[Batch]:
    try:
        return list(source.read(source.order(0, 0), batch, full=full))
    finally:
        source.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with files for the device and others, in every batch."""
    write_folder(tmp_path)
    for number in (1, 4, 7):
        (tmp_path / "train" / "ant" / f"{number:03d}.jpg").write_bytes(saved(picture(number), "PNG"))
        (tmp_path / "train" / "bee" / f"{number:03d}.jpg").write_bytes(saved(picture(number), progressive=True))
    return tmp_path


@pytest.mark.parametrize("processes", [0, 2])
@pytest.mark.parametrize("full", [True, False])
def test_the_batches_are_those_of_the_workers(root: Path, processes: int, full: bool) -> None:
    source = workers(root, coded=True, workers=processes)
    assert same(read(source, full=full), read(workers(root, coded=False), full=full))


def test_the_workers_leave_to_the_device_what_it_can(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    plain = nvjpeg.decode_all
    monkeypatch.setattr(
        nvjpeg, "decode_all", lambda files, device: (decoded.append(len(files)), plain(files, device))[1]
    )
    read(workers(root, coded=True), batch=24)
    assert decoded == [18]


@pytest.mark.parametrize("error", [RuntimeError("unsupported"), torch.OutOfMemoryError("out of memory")])
def test_a_batch_that_the_device_does_not_take_is_decoded_here(
    root: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(files: object, device: object) -> None:
        raise error

    expected = read(workers(root, coded=False))
    monkeypatch.setattr(nvjpeg, "decode_all", refuse)
    source = workers(root, coded=True)
    assert same(read(source), expected)
    assert (source.bad.count, source.bad.refused, source.bad.refusal) == (0, 5, str(error))


@pytest.mark.parametrize("full", [True, False])
def test_bad_pictures_are_skipped_as_by_the_workers(root: Path, full: bool) -> None:
    (root / "train" / "ant" / "003.jpg").write_bytes(b"")
    (root / "train" / "bee" / "003.jpg").write_bytes(PLAIN[:400])
    ours, theirs = workers(root, coded=True, skip=True), workers(root, coded=False, skip=True)
    assert same(read(ours, full=full), read(theirs, full=full))
    assert ours.bad.names == theirs.bad.names
    assert ours.bad.count == 2
    with pytest.raises(RunError, match=r"003\.jpg': .*on_bad_image: skip"):
        read(workers(root, coded=True), full=full)


def test_a_file_that_only_decoding_shows_to_be_bad(root: Path) -> None:
    tables = PLAIN.index(b"\xff\xc4") + 5  # how many Huffman codes there are of each length
    bad = PLAIN[:tables] + b"\xff" * 16 + PLAIN[tables + 16 :]
    assert is_for_device(bad)
    (root / "train" / "bee" / "003.jpg").write_bytes(bad)
    (root / "train" / "ant" / "003.jpg").write_bytes(b"")
    with pytest.raises(RunError, match=r"(bee|ant)/003\.jpg': .*on_bad_image: skip"):
        read(workers(root, coded=True))
    ours, theirs = workers(root, coded=True, skip=True), workers(root, coded=False, skip=True)
    assert same(read(ours, batch=20), read(theirs, batch=20))
    assert (ours.bad.count, sorted(ours.bad.names)) == (2, sorted(theirs.bad.names))


def test_floats_resized_as_on_a_gpu_are_the_bytes_of_a_cpu() -> None:
    image = torch.from_numpy(np.array(picture(3))).permute(2, 0, 1)
    difference = resized(image.float(), (16, 19)).round().int() - resized(image, (16, 19)).int()
    assert difference.abs().max() <= 1
    assert difference.float().mean().abs() < 0.1, "rounded, not cut"


# -- who decodes -----------------------------------------------------------------------------------------------------


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the device says of itself: its compute capability, and an error of its decoder."""
    facts: dict[str, object] = {"capability": (9, 0), "error": None}

    def decode_all(files: list[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
        if facts["error"] is not None:
            raise facts["error"]  # type: ignore[misc]
        return files

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: facts["capability"])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(nvjpeg, "decode_all", decode_all)
    return facts


def test_auto_is_the_device_where_it_has_an_engine(gpu: dict[str, object]) -> None:
    assert reason_against("auto", CUDA) is None
    gpu["capability"] = (8, 6)
    assert "a GPU has no engine for JPEG" in (reason_against("auto", CUDA) or "")
    assert reason_against("device", CUDA) is None


def test_a_cpu_and_who_wants_it_decode_on_the_cpu(gpu: dict[str, object]) -> None:
    assert reason_against("cpu", CUDA) == "data.decode: cpu"
    assert reason_against("auto", CPU) == reason_against("device", CPU) == "the device is cpu"


def test_a_decoder_that_fails_says_why(gpu: dict[str, object]) -> None:
    gpu["error"] = RuntimeError("torchvision was built without nvJPEG\nand more")
    assert reason_against("auto", CUDA) == "torchvision was built without nvJPEG"
    with pytest.raises(RunError, match=r"`data\.decode: device`.*built without nvJPEG.*choose `auto`"):
        reason_against("device", CUDA)


@pytest.mark.parametrize(
    ("resident", "device", "notes"),
    [
        ("workers", CUDA, ["JPEGs are decoded by the workers: an old driver"]),
        ("workers", CPU, []),
        ("memory", CUDA, None),
    ],
)
def test_the_device_is_asked_and_noted_where_it_would_decode(
    root: Path, gpu: dict[str, object], resident: str, device: torch.device, notes: list[str] | None
) -> None:
    gpu["error"] = RuntimeError("an old driver")
    settings = {"use": "image_folder", "root": str(root), "size": 16, "batch": 4, "resident": resident, "workers": 0}
    data = open_data(spec.Data.model_validate(settings), device, 0)
    if notes is None:
        assert "kept in memory" in data.notes[0]
        assert "JPEG" not in data.notes[0]
    else:
        assert list(data.notes) == notes
    data.close()


@pytest.mark.gpu
@pytest.mark.parametrize("decode", ["cpu", "device"])
def test_a_gpu_decodes_as_the_cpu_does(root: Path, decode: str) -> None:
    settings = {"use": "image_folder", "root": str(root), "size": 16, "batch": 5, "resident": "workers", "workers": 2}
    data = open_data(spec.Data.model_validate({**settings, "decode": decode}), CUDA, 0)
    assert len(data.notes) == 1
    for ours, theirs in zip(data.train.epoch(0), read(workers(root, coded=False)), strict=False):
        assert ours.image.is_cuda
        assert torch.equal(ours.index.cpu(), theirs.index)
        assert (ours.image.cpu().int() - theirs.image.int()).abs().float().mean() < (2 if decode == "device" else 1e-9)
    data.close()
