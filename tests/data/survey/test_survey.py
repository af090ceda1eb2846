"""What `graphssl data` finds, against an independent count, and the section that it prints, which trains."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from band_files import deep_png, npy, saved, tiff, values
from conftest import SIMCLR, Write
from own_sets import own_set
from picture_files import picture, write_folder
from PIL import Image

from graphssl import api
from graphssl.cli.pictures import survey_text
from graphssl.data import write_shards
from graphssl.data.survey import Survey, proposal
from graphssl.data.survey.look import Kind
from graphssl.errors import UsageError
from graphssl.graph.language.dump import dump


def pixels(files: list[Path]) -> np.ndarray:
    """All pixels of all files as RGB, `n 3`, in float64, white 1."""
    found = [np.asarray(Image.open(io.BytesIO(file.read_bytes())).convert("RGB")) for file in files]
    return np.concatenate([array.reshape(-1, 3) for array in found]).astype(np.float64) / 255


def trains(write: Write, folder: Path, found: Survey, *changes: tuple[str, str]) -> None:
    """The section, pasted into a graph, holds and gives batches."""
    section = dump({"data": proposal(found)})
    checked = api.check(write(SIMCLR, *changes, ("data: {use: digits, batch: 16}\n", section), name="pasted.yaml"))
    from helpers import CPU

    from graphssl.data import open_data

    data = open_data(checked.graph.spec.data, CPU, 0)
    batch = next(data.train.epoch(0))
    assert batch.image.shape[1] == checked.data.channels == len(checked.data.mean)
    data.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """30 pictures of two classes and several sizes, grey and palette ones among them, one that is none."""
    root = write_folder(tmp_path / "pictures", ("train", "val"), each=6)
    for i in range(18):
        one = picture(i, 30 + i, 64).convert(("RGB", "L", "P")[i % 3])
        one.save(root / "train" / "bee" / f"x{i:02d}.png")
    (root / "train" / "ant" / "bad.jpg").write_bytes(b"no picture")
    return root


def test_a_folder(folder: Path, write: Write, tmp_path: Path) -> None:
    found = api.survey(folder)
    assert (found.train, found.held_out, found.looked) == (31, 12, 31)
    assert found.classes == {"ant": 7, "bee": 24}
    assert (min(found.sizes), max(found.sizes)) == ((30, 64), (47, 64))
    assert found.kinds == {Kind(3, "uint8"): 24, Kind(1, "uint8"): 6}
    assert list(found.unreadable) == [str(folder / "train" / "ant" / "bad.jpg")]
    files = [file for file in sorted((folder / "train").rglob("*.*")) if file.name != "bad.jpg"]
    wanted, (mean, std) = pixels(files), found.statistics or ([], [])
    assert np.abs(wanted.mean(0) - mean).max() < 1e-3  # JPEGs are decoded by another library
    assert np.abs(wanted.std(0) - std).max() < 1e-3
    text = survey_text(found)
    assert "31 to train on, 12 held out" in text
    assert "24 of 3 x uint8, 6 of 1 x uint8: all are made RGB bytes" in text
    assert "from 7 pictures ('ant') to 24 ('bee')" in text
    assert "bad.jpg: no known picture format" in text
    assert proposal(found)["on_bad_image"] == "skip"
    trains(write, tmp_path, found)


def test_only_some_are_looked_at_and_that_is_said(folder: Path) -> None:
    found = api.survey(folder, most=10)
    assert (found.looked, len(found.sizes) + len(found.unreadable)) == (10, 10)
    assert "10 of them, spread evenly; --all looks at every one" in survey_text(found)
    told: list[tuple[int, int]] = []
    api.survey(folder, most=20, progress=lambda done, total: told.append((done, total)))
    assert told == [(16, 20), (20, 20)]


@pytest.mark.parametrize("kind", ["tif", "npy", "png"])
def test_bands(tmp_path: Path, write: Write, kind: str) -> None:
    writers = {"tif": lambda a: tiff(a, photometric="minisblack", planarconfig="contig"), "npy": npy, "png": deep_png}
    root = tmp_path / "tiles"
    root.mkdir()
    made = [values(i, 4, h=20 + i) for i in range(20)]
    for i, array in enumerate(made):
        (root / f"{i:02d}.{kind}").write_bytes(writers[kind](array))
    source = root
    if kind == "npy":
        (tmp_path / "list.txt").write_text("\n".join(str(file) for file in sorted(root.iterdir())))
        source = tmp_path / "list.txt"
    found = api.survey(source)
    assert (found.train, found.held_out, found.classes) == (18, 2, {})
    assert found.kinds == {Kind(4, "uint16"): 18}
    section = proposal(found)
    assert (section["channels"], section["dtype"]) == (4, "uint16")
    all_of_them = np.concatenate([array.reshape(-1, 4) for array in made]).astype(np.float64) / 65535
    mean, std = found.statistics or ([], [])
    assert np.abs(all_of_them.mean(0) - mean).max() < 0.01  # the tenth is left out
    assert np.abs(all_of_them.std(0) - std).max() < 0.01
    from graphssl.data import facts
    from graphssl.graph import spec

    known = facts(spec.Data.model_validate(section))
    assert (known.channels, known.dtype, len(known.mean)) == (4, "uint16", 4)


def test_a_folder_of_arrays_alone(tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / f"{i}.npy").write_bytes(npy(values(i, 3, "float32")))
    section = proposal(api.survey(tmp_path))
    assert (section["channels"], section["dtype"]) == (3, "float32")


def test_orientations_are_counted(tmp_path: Path) -> None:
    for i in range(10):
        exif = Image.Exif()
        exif[0x0112] = 6 if i % 2 else 1
        (tmp_path / f"{i}.jpg").write_bytes(saved(picture(i), "JPEG", exif=exif))
    found = api.survey(tmp_path)
    assert set(found.orientations) == {1, 6}
    text = survey_text(found)
    assert "`orientation: apply` turns them" in text
    turned = found.orientations[6]
    which = "picture is" if turned == 1 else "pictures are"
    assert text.endswith(f"\n  # orientation: apply   # {turned} {which} rotated by their EXIF")


def test_classes_are_told_in_a_line(tmp_path: Path) -> None:
    write_folder(tmp_path / "same", ("train", "val"), each=3)
    assert "classes      2, each of 3 pictures" in survey_text(api.survey(tmp_path / "same"))
    write_folder(tmp_path / "odd", ("train", "val"), ("ant", "be\ne"), each=3)
    (tmp_path / "odd" / "train" / "be\ne" / "000.jpg").write_bytes(b"none")
    (tmp_path / "odd" / "train" / "ant" / "000.jpg").unlink()
    picture(0).save(tmp_path / "odd" / "train" / "loose.png")
    (tmp_path / "odd" / "train" / "ant" / "001.jpg").unlink()
    text = survey_text(api.survey(tmp_path / "odd"))
    assert "from 1 pictures ('ant') to 3 ('be\\ne')" in text
    assert "be\\ne/000.jpg: " in text
    assert "note         a picture that is in no class's folder is left out" in text


def test_what_a_run_calls_bad_is_unreadable(tmp_path: Path, write: Write) -> None:
    pytest.importorskip("tifffile")
    root = write_folder(tmp_path / "pictures", ("train", "val"), each=6)
    Image.fromarray(np.random.RandomState(0).rand(40, 40).astype(np.float32)).save(root / "train" / "ant" / "f.tif")
    found = api.survey(root)
    (why,) = found.unreadable.values()
    assert "32-bit numbers" in why
    assert "all but 1 are made RGB bytes" in survey_text(found)
    assert proposal(found)["on_bad_image"] == "skip"
    trains(write, root, found)


def test_bands_that_a_library_wrote_as_pages(tmp_path: Path, write: Write) -> None:
    tifffile = pytest.importorskip("tifffile")
    for i in range(12):
        values = np.random.RandomState(i).randint(0, 256, (80, 90, 4)).astype(np.uint8)
        (tmp_path / "tiles").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "tiles" / f"{i}.tif", values, photometric="minisblack")
    found = api.survey(tmp_path / "tiles")
    assert found.kinds == {Kind(4, "uint8"): found.train}
    assert set(found.sizes) == {(80, 90)}
    assert proposal(found)["channels"] == 4


def test_shards_lists_and_several_more(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "pictures", ("train", "test"), each=6)
    plain = api.survey(root)
    write_shards(root, tmp_path / "shards", samples=5)
    (tmp_path / "list.csv").write_text(
        "path,label\n" + "\n".join(f"{file},{file.parent.name}" for file in sorted((root / "train").rglob("*.jpg")))
    )
    for source, options in ((tmp_path / "shards", {}), (str(tmp_path / "shards/train-{000000..000002}.tar"), {})):
        found = api.survey(source, **options)
        assert (found.train, sorted(found.sizes)) == (12, sorted(plain.sizes))
        assert found.data.use == "webdataset"
        assert found.statistics == pytest.approx(plain.statistics) if found.statistics is None else True
        assert np.allclose(found.statistics, plain.statistics)
    found = api.survey(tmp_path / "list.csv")
    assert (found.train, found.held_out, set(found.classes)) == (10, 2, {"ant", "bee"})


def test_a_graph_is_asked_for_its_data(write: Write, tmp_path: Path) -> None:
    found = api.survey(write(SIMCLR, own_set(tmp_path)), ["data.count=50"])
    assert (found.train, found.held_out, list(found.classes)) == (45, 5, ["0", "1", "2"])
    assert sum(found.classes.values()) == 45
    assert proposal(found)["count"] == 50
    digits = api.survey(write(SIMCLR, name="digits.yaml"))
    mean, std = digits.statistics or ([], [])
    assert (round(mean[0], 4), round(std[0], 4)) == (0.3090, 0.3499), "as the table of data sets has them"


def test_a_saved_dataset(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows: dict[str, Any] = {"image": [{"bytes": saved(picture(i), "PNG"), "path": None} for i in range(12)]}
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    found = api.survey(tmp_path / "saved")
    assert (found.train, found.held_out, found.data.use) == (11, 1, "hf")


def test_what_is_no_set_of_pictures(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file or folder '.*picture': did you mean '.*/pictures'\?"):
        api.survey(tmp_path / "picture")
    with pytest.raises(UsageError, match="is neither a folder nor a list of pictures"):
        api.survey(folder / "train" / "ant" / "000.jpg")
    with pytest.raises(UsageError, match="--set changes a graph file"):
        api.survey(folder, ["data.size=3"])
