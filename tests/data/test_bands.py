"""Sets of bands and of 16 bits: opened, and their batches compared with an independent reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from band_files import deep_png, npy, tiff, values
from conftest import SIMCLR, Write, problems_of
from own_sets import own_set
from torch import Tensor
from torch.nn import functional

from graphssl.api import check
from graphssl.data import Datasets, facts, open_data
from graphssl.errors import RunError
from graphssl.evaluation.embedding import prepare
from graphssl.graph import spec

pytest.importorskip("tifffile")
CPU = torch.device("cpu")
WRITERS = {"tif": lambda a: tiff(a, photometric="minisblack", planarconfig="contig"), "npy": npy, "png": deep_png}


def write_bands(root: Path, kind: str, channels: int = 4, dtype: str = "uint16", n: int = 12) -> list[np.ndarray]:
    """Writes pictures of two sizes in two classes; their values in the order in which they are read."""
    made = []
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for i in range(n // 2):
            made.append(values(len(made), channels, dtype, 40 + i, 32))
            (root / name / f"{i}.{kind}").write_bytes(WRITERS[kind](made[-1]))
    return made


def config(root: Path, **options: Any) -> spec.Data:
    return spec.Data.model_validate(
        {
            "use": "image_folder",
            "root": str(root),
            "size": [20, 16],
            "batch": 4,
            "workers": 0,
            "held_out": "none",
            **options,
        }
    )


def opened(root: Path, **options: Any) -> Datasets:
    return open_data(config(root, **options), CPU, 0)


def fitted(array: np.ndarray) -> Tensor:
    """Scaled to cover 20 x 16 and cropped, in float64, rounded to the type: `c 20 16`."""
    image = torch.from_numpy(array.astype(np.float64)).permute(2, 0, 1)[None]
    scaled = functional.interpolate(image, (image.shape[2] // 2, 16), mode="bilinear", antialias=True)[0]
    top = round((scaled.shape[1] - 20) / 2)
    return scaled[:, top : top + 20]


class Corner:
    """A cut of one's own: a corner, as it is, and one that the random numbers say."""

    views, size, numbers = 2, (8, 8), 2

    def __call__(self, picture: Tensor, uniform: Tensor) -> Tensor:
        at = int(uniform[1, 0] * (picture.shape[1] - 8))
        return torch.stack([picture[:, :8, :8], picture[:, at : at + 8, :8]])


@pytest.mark.parametrize(
    ("kind", "dtype"), [("tif", "uint16"), ("tif", "float32"), ("npy", "uint16"), ("png", "uint16"), ("npy", "uint8")]
)
@pytest.mark.parametrize(("resident", "workers"), [("memory", 0), ("workers", 0), ("workers", 2)])
def test_batches_are_what_the_files_hold(
    tmp_path: Path, kind: str, dtype: str, resident: str, workers: int
) -> None:  # fmt: skip
    made = write_bands(tmp_path, kind, 4, dtype)
    data = opened(tmp_path, channels=4, dtype=dtype, resident=resident, workers=workers)
    batches = list(data.reference(5))
    image = torch.cat([batch.image for batch in batches])
    assert (image.shape, str(image.dtype)) == ((12, 4, 20, 16), f"torch.{dtype}")
    step = {"uint8": 1.0, "uint16": 1.0, "float32": 1e-5}[dtype]
    for found, array in zip(image, made, strict=True):
        assert (found.double() - fitted(array)).abs().max() <= step
    data.train.cut(((Corner(),),), True)
    whole = next(data.train.epoch(0))
    assert whole.cuts[0][0].shape == (8, 4, 8, 8)
    for view, index in zip(whole.cuts[0][0][:4], whole.index.tolist(), strict=True):
        assert np.array_equal(view.permute(1, 2, 0).numpy(), made[index][:8, :8])
    data.close()


def test_all_ways_of_reading_give_the_same_batches(tmp_path: Path) -> None:
    write_bands(tmp_path, "tif")
    found = []
    for options in ({"resident": "memory"}, {"resident": "workers"}, {"resident": "workers", "workers": 1}):
        data = opened(tmp_path, channels=4, dtype="uint16", **options)
        data.train.cut(((Corner(),),), True)
        found.append([(b.image, b.index, b.cuts[0][0]) for b in data.train.epoch(3)])
        data.close()
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_facts_and_the_memory_that_is_foreseen(tmp_path: Path) -> None:
    made = write_bands(tmp_path, "tif")
    known = facts(config(tmp_path, channels=4, dtype="uint16", mean=[0.1, 0.2, 0.3, 0.4], std=[1, 1, 1, 1]))
    assert (known.channels, known.dtype, known.mean, known.std) == (4, "uint16", (0.1, 0.2, 0.3, 0.4), (1.0,) * 4)
    assert facts(config(tmp_path, channels=4)).mean == (0.5,) * 4
    assert facts(config(tmp_path)).mean == (0.485, 0.456, 0.406)
    data = opened(tmp_path, channels=4, dtype="uint16")
    assert data._train._kept.bytes == sum(a.nbytes for a in made)  # type: ignore[attr-defined]
    assert any("mean 0.5 and std 0.25 are taken" in note for note in data.notes)
    assert not any(
        "mean" in note for note in opened(tmp_path, channels=4, dtype="uint16", mean=[0] * 4, std=[1] * 4).notes
    )


def test_arrays_count_where_the_data_says_what_they_are(tmp_path: Path) -> None:
    write_bands(tmp_path, "npy", 3, "uint8")
    with pytest.raises(RunError, match="no pictures under"):
        opened(tmp_path)
    assert opened(tmp_path, channels=3).train.samples == 12
    write_bands(tmp_path / "deeper", "png", 3)
    assert facts(config(tmp_path)).samples == 12, "of a set of pictures arrays are passed over, as before"


def test_a_file_of_others_is_a_bad_picture(tmp_path: Path) -> None:
    write_bands(tmp_path, "tif")
    (tmp_path / "a" / "3.tif").write_bytes(tiff(values(0, 5), photometric="minisblack", planarconfig="contig"))
    with pytest.raises(
        RunError, match=r"a/3\.tif': it has 5 channels of uint16, and the data says 4 channels of uint16"
    ):
        opened(tmp_path, channels=4, dtype="uint16")
    data = opened(tmp_path, channels=4, dtype="uint16", on_bad_image="skip")
    assert (data.train.samples, data.bad.count) == (11, 1)


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ("channels: 4, mean: [0.5, 0.5, 0.5], std: [1, 1, 1, 1]", "mean: [0.5|'mean' has 3 values, and the pictures 4 channels"),
        ("std: [1, 1], mean: [0, 0, 0]", "std: [1|'std' has 2 values, and the pictures 3 channels"),
        ("channels: 4, mean: [0, 0, 0, 0]", "|'mean' and 'std' come together"),
        ("channels: 4, mean: [0, 0, 0, 0], std: [1, 1, 0, 1]", "std: [1|greater than 0"),
        ("dtype: uint32", "dtype: uint32|'dtype' is 'uint32'"),
        ("channels: 0", "channels: 0|'channels' is 0"),
    ],
)  # fmt: skip
def test_check_counts_channels(write: Write, tmp_path: Path, options: str, shown: str) -> None:
    write_bands(tmp_path / "p", "tif", 4, "uint16", 40)
    path = write(SIMCLR, ("use: digits, batch: 16", f"use: image_folder, root: {tmp_path}/p, batch: 4, {options}"))
    (found,) = problems_of(check, path)
    assert shown.partition("|")[2] in found


def test_a_set_of_ones_own_says_its_channels(write: Write, tmp_path: Path) -> None:
    item = "image = np.concatenate([image, image[..., :1]], 2).astype(np.uint16) * 257"
    described = 'config.count, classes=3, size=16, channels=4, dtype="uint16", mean=[0.5] * 4, std=[0.2] * 4'
    change = own_set(tmp_path, item, facts=described)
    model = spec.data_section("noise") if "noise" in spec.DATA_SETS else None
    assert model is None
    from graphssl.graph.read import load

    data = load(write(SIMCLR, change), ["data.workers=0"]).spec.data
    known = facts(data)
    assert (known.channels, known.dtype, known.mean) == (4, "uint16", (0.5,) * 4)
    batch = next(open_data(data, CPU, 0).reference(4))
    assert (batch.image.shape, batch.image.dtype) == ((4, 4, 16, 16), torch.uint16)
    with pytest.raises(RunError, match=r"data.mean has 3 values, and the pictures 4 channels"):
        facts(data.model_copy(update={"mean": [0.0] * 3, "std": [1.0] * 3}))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_evaluation_normalises_by_the_types_largest_value(dtype: str) -> None:
    array = values(0, 2, dtype)
    image = torch.from_numpy(array).permute(2, 0, 1)[None]
    most = 1.0 if dtype == "float32" else float(np.iinfo(array.dtype).max)
    wanted = (array.transpose(2, 0, 1).astype(np.float64) / most - np.array([[[0.3]], [[0.4]]])) / 0.2
    found = prepare(image, (0.3, 0.4), (0.2, 0.2))[0].double().numpy()
    assert np.abs(found - wanted).max() < 1e-5
