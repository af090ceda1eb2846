"""Files that are there whole or not at all, and the cache of what can be made again."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import days_ago
from picture_files import no_regular_file

from graphssl.errors import RunError
from graphssl.files import remove_unused, user_cache, write_whole


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_written_whole(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = here / "a.txt"
    write_whole(path, "größe\n")
    assert path.read_text(encoding="utf-8") == "größe\n"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"a\.txt cannot be written: No space left on device"):
        write_whole(path, "other")
    assert path.read_text(encoding="utf-8") == "größe\n"
    assert [p.name for p in here.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "link"])
def test_what_is_no_regular_file_is_never_replaced(here: Path, kind: str) -> None:
    called = no_regular_file(here / "a.txt", kind)
    before = (here / "a.txt").lstat()
    with pytest.raises(RunError, match=rf"a\.txt cannot be written: it is a {called}, and no regular file"):
        write_whole(here / "a.txt", "x")
    after = (here / "a.txt").lstat()
    assert (before.st_mode, before.st_ino) == (after.st_mode, after.st_ino)
    assert not list(here.glob("*.tmp"))


def test_a_link_to_a_file_is_replaced_itself(here: Path) -> None:
    (here / "b.txt").write_text("stays")
    (here / "a.txt").symlink_to("b.txt")
    write_whole(here / "a.txt", b"new")
    assert (here / "a.txt").read_text() == "new"
    assert not (here / "a.txt").is_symlink()
    assert (here / "b.txt").read_text() == "stays"


def test_a_name_that_no_file_can_have_is_said(here: Path) -> None:
    with pytest.raises(RunError, match="cannot be written: its name has a null character"):
        write_whole(here / "a\0.txt", "x")


def test_others_may_read_what_the_user_lets_them(here: Path) -> None:
    before = os.umask(0o022)
    try:
        write_whole(here / "a.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((here / "a.txt").stat().st_mode) == 0o644


def test_where_reading_is_not_noted_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = days_ago(tmp_path / "kernel.so", 200, 200)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_NOATIME | os.ST_NOSUID))
    remove_unused(tmp_path)
    assert path.exists()


def test_what_cannot_be_removed_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [days_ago(tmp_path / name, 31, 31) for name in "ab"]
    remove, removed = os.unlink, []

    def unlink(path: str) -> None:
        removed.append(path)
        if len(removed) == 1:
            raise PermissionError(path)
        remove(path)

    monkeypatch.setattr(os, "unlink", unlink)
    remove_unused(tmp_path)
    assert sum(path.exists() for path in paths) == 1
    remove_unused(tmp_path / "none")


def test_a_user_without_a_home_has_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what Python gives where there is none
    assert user_cache().parent == Path(tempfile.gettempdir())
