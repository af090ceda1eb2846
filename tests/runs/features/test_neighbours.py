"""Which pictures are nearest, by an independent computation, and that they are drawn."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SIMCLR
from left_runs import left_run
from picture_files import no_regular_file, picture, write_folder
from PIL import Image

import graphssl
from graphssl.errors import RunError, UsageError
from graphssl.runs.features.thumbnail import thumbnail


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("near")
    write_folder(root / "photos", parts=("train",), each=6)
    picture(1).convert("L").save(root / "query.png")
    left_run(root / "one", SIMCLR, moved=True)
    return root


@pytest.fixture(autouse=True)
def _here(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)


def test_they_are_the_nearest_by_cosine() -> None:
    found = graphssl.neighbours("one", ["query.png", picture(105)], "photos", k=4, device="cpu")
    features = graphssl.embed("one", ["photos", "query.png", picture(105)], device="cpu").double().numpy()
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    cosine = features[12:] @ features[:12].T
    for query, row in zip(found.queries, cosine, strict=True):
        assert [near.place for near in query.nearest] == np.argsort(-row)[:4].tolist()
        assert np.allclose([near.similarity for near in query.nearest], np.sort(row)[::-1][:4], atol=1e-5)
    assert [query.name for query in found.queries] == ["query.png", "image 1"]
    first = found.queries[1].nearest[0]
    assert (first.name, first.label) == ("photos/train/bee/005.jpg", "bee")
    assert found.output is None


def test_a_query_does_not_find_its_own_file(root: Path) -> None:
    own = root / "photos/train/ant/002.jpg"
    found = graphssl.neighbours("one", os.path.relpath(own), "photos", k=50, device="cpu")
    names = [near.name for near in found.queries[0].nearest]
    assert len(names) == 11
    assert "photos/train/ant/002.jpg" not in names
    with pytest.raises(UsageError, match="there is no picture to find but the query itself"):
        graphssl.neighbours("one", own, own, device="cpu")


def test_of_equal_ones_the_first_stands_first() -> None:
    one = torch.from_numpy(np.array(picture(3))).permute(2, 0, 1)
    found = graphssl.neighbours("one", one, [one, picture(4), one, one], k=3, device="cpu", batch=4)
    nearest = found.queries[0].nearest
    assert [near.place for near in nearest] == [0, 2, 3]
    assert nearest[0].similarity == pytest.approx(1, abs=1e-5)
    assert all(near.similarity <= 1 for near in nearest)


def test_they_are_drawn(tmp_path: Path) -> None:
    for ending, form in (("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP")):
        output = tmp_path / f"near.{ending}"
        found = graphssl.neighbours("one", "query.png", "photos", 2, output, device="cpu")
        assert found.output == output
        with Image.open(output) as drawn:
            assert (drawn.format, drawn.width > drawn.height) == (form, True)


def test_bad_pictures_are_left_out_of_those_looked_through_alone(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"nothing")
    found = graphssl.neighbours("one", "query.png", tmp_path, device="cpu", skip=True)
    assert [Path(near.name).name for near in found.queries[0].nearest] == ["a.png"]
    assert found.left_out == {str(tmp_path / "b.png"): "no known picture format"}
    with pytest.raises(RunError, match=r"b.png' cannot be read as a picture"):
        graphssl.neighbours("one", "query.png", tmp_path, device="cpu")
    with pytest.raises(
        RunError, match=r"the query '.*b.png' cannot be read as a picture: no known .* ask with another"
    ):
        graphssl.neighbours("one", tmp_path / "b.png", "photos", device="cpu", skip=True)


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "link"])
def test_nothing_special_is_replaced_or_read(tmp_path: Path, kind: str) -> None:
    no_regular_file(tmp_path / "near.png", kind)
    no_regular_file(tmp_path / "table.npz", "pipe")
    with pytest.raises(RunError, match=r"near.png (cannot be written: it is a|is a folder)"):
        graphssl.neighbours("one", "query.png", "photos", output=tmp_path / "near.png")
    with pytest.raises(RunError, match=r"table.npz cannot be written: it is a pipe"):
        graphssl.embed_files("one", "query.png", tmp_path / "table.npz")
    with pytest.raises(UsageError, match=r"(near.png' is a (pipe|socket), and no file or folder|no pictures in )"):
        graphssl.embed("one", tmp_path / "near.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k is the number of neighbours, 1 or more, not 0"),
        ({"k": 1.5}, "k is the number of neighbours, 1 or more, not 1.5"),
        ({"k": "x"}, "k is the number of neighbours, 1 or more, not 'x'"),
        ({"k": True}, "k is the number of neighbours, 1 or more, not True"),
        ({"batch": "x"}, "batch is the number of pictures at a time, 1 or more, not 'x'"),
        ({"output": 3}, "output is the path of a file, not 3"),
        ({"output": f"{'n' * 300}.png"}, "cannot be written: File name too long"),
        ({"output": "near.gif"}, r"neighbours cannot be drawn as 'near.gif': names end in .png, .jpg"),
        ({"output": "near"}, "neighbours cannot be drawn as 'near'"),
        ({"images": "nowhere"}, "there is no file or folder 'nowhere'"),
        ({"queries": []}, "queries are none"),
        ({"queries": [3]}, r"queries\[0\] are no pictures"),
        ({"progress": 3}, "progress is a function, that is called as it goes on, not 3"),
    ],
)
def test_what_is_wrong_is_said(options: dict[str, object], message: str) -> None:
    with pytest.raises(RunError, match=message):
        graphssl.neighbours("one", **{"queries": "query.png", "images": "photos", "device": "cpu", **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "I;16"])
def test_a_thumbnail_is_the_whole_picture(tmp_path: Path, mode: str) -> None:
    image = picture(8, 30, 90)
    path = tmp_path / "it.tif"
    if mode == "I;16":
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(path)
    else:
        image.convert(mode).save(path)
    small = thumbnail(str(path), 45)
    assert (small.mode, small.size) == ("RGB", (45, 15))
    wanted = image.convert("L" if mode in ("L", "I;16") else "RGB").convert("RGB").resize((45, 15))
    assert np.abs(np.asarray(small).astype(int) - np.asarray(wanted)).mean() < 12


@pytest.mark.parametrize("upright", [False, True])
def test_a_thumbnail_is_turned_as_the_encoder_sees_it(tmp_path: Path, upright: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(8, 30, 90).save(tmp_path / "it.jpg", exif=exif)
    assert thumbnail(str(tmp_path / "it.jpg"), 45, upright=upright).size == ((15, 45) if upright else (45, 15))


def test_a_thumbnail_of_other_channels_is_their_mean() -> None:
    values = torch.stack([torch.full((4, 6), v, dtype=torch.uint8) for v in (0, 40, 80, 120)])
    assert np.asarray(thumbnail(values)).tolist() == [[[60] * 3] * 6] * 4
