"""Only files of the run's own folder go to MLflow, whatever its journal says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from stores import FakeStore, tracker

from graphssl.track.artifacts import located
from graphssl.track.entries import Entry
from graphssl.track.store import Refused


def file(path: str, folder: str = "") -> Entry:
    return Entry("file", 1, {"path": path, "folder": folder})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("mine")
    (tmp_path / "run-2").mkdir()
    (tmp_path / "run-2" / "graph.svg").touch()
    folder = tmp_path / "run"
    (folder / "source").mkdir(parents=True)
    (folder / "graph.svg").touch()
    (folder / "source" / "a.yaml").touch()
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "out").symlink_to(tmp_path)
    (folder / "near").symlink_to(folder / "graph.svg")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.mark.parametrize("path", ["graph.svg", "source/a.yaml", "near", "./graph.svg", "source/../graph.svg"])
def test_a_file_of_the_folder(run: Path, path: str) -> None:
    assert Path(located(file(path), run).data["path"]) == (run / path).resolve()
    assert located(file(str(run / path)), run).data["path"] == str((run / path).resolve()), (
        "as earlier versions wrote it"
    )


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/etc/passwd", "not in the run's folder"), ("../secret", "not in"), ("../../etc/passwd", "not in"),
        ("link", "not in"), ("out/secret", "not in"), ("../run-2/graph.svg", "not in"), ("", "not in"), (".", "not in"),
        ("/dev/zero", "not in"), ("source", "is a folder"), ("pipe", "is a pipe"), ("gone", "no longer there"),
        ("a\0b", "no place"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_of_the_folder(run: Path, path: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        located(file(path), run)


@pytest.mark.parametrize("place", ["/etc", "..", "a/../..", "a\\b", "a\nb", "\x1b[31m"])
@pytest.mark.parametrize("kind", ["file", "text"])
def test_a_place_that_is_none(run: Path, place: str, kind: str) -> None:
    entry = file("graph.svg", place) if kind == "file" else Entry("text", 1, {"content": "", "artifact": f"{place}/x"})
    with pytest.raises(Refused, match="no place for an artifact"):
        located(entry, run)


def test_a_doctored_journal_gives_nothing_away(run: Path) -> None:
    """Told, not delivered; the rest is."""
    store = FakeStore()
    store.runs["id7"] = {"name": "run"}
    paths = ["/etc/passwd", "../secret", "link", "graph.svg"]
    lines: list[dict[str, Any]] = [{"run_id": "id7"}]
    lines += [{"kind": "file", "at": 1, "data": {"path": path, "folder": ""}, "step": 0} for path in paths]
    lines += [{"kind": "shell", "at": 1, "data": {"path": "x"}}]
    (run / "undelivered.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in lines))
    warnings = tracker(store, run / "undelivered.jsonl").finish("FINISHED", 10)
    assert [e.data["path"] for e in store.sent if e.kind == "file"] == [str(run / "graph.svg")]
    assert len(warnings) == 4
    assert all("is not delivered" in text for text in warnings[:3])
    assert "a line of" in warnings[3]
    assert not (run / "undelivered.jsonl").exists()


def test_a_file_from_elsewhere_is_not_logged(run: Path) -> None:
    store = FakeStore()
    t = tracker(store, run / "undelivered.jsonl")
    t.file(run.parent / "secret")
    t.file(run / "link")
    assert len(t.finish("FINISHED", 10)) == 2
    assert [e.kind for e in store.sent] == ["end"]


def test_a_draft_that_is_a_link_is_not_written_through(run: Path) -> None:
    (run / ".undelivered.jsonl.new").symlink_to(run.parent / "secret")
    assert tracker(FakeStore(), run / "undelivered.jsonl").finish("FINISHED", 10) == []
    assert (run.parent / "secret").read_text() == "mine"
