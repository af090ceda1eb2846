"""A run's metrics as rows beside it: gone on with at the step of the checkpoint, and never in the way of the training."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from graphssl.track.rows import Point, Rows, read_rows


def nobody(line: str) -> None:
    pytest.fail(line)


def written(path: Path, steps: int, start: int = 0) -> Rows:
    rows = Rows(path, start, nobody)
    for step in range(start, steps + 1):
        rows.metrics({"loss/total": step / 4, "eval/knn": 0.5}, step)
    rows.close()
    return rows


def test_a_row_each_as_it_is_logged(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    rows = Rows(path, 0, nobody)
    rows.metrics({"loss/total": 1 / 3, "train/a,b": 2}, 1)
    assert path.read_text() == f'step,metric,value\n1,loss/total,{1 / 3!r}\n1,"train/a,b",2.0\n', (
        "at once, before it is closed"
    )
    rows.metrics({"loss/total": math.nan, "train/grad": math.inf}, 2)
    rows.close()
    rows.metrics({"loss/total": 1}, 3)
    assert read_rows(path)[:2] == [Point(1, "loss/total", 1 / 3), Point(1, "train/a,b", 2.0)]
    assert math.isnan(read_rows(path)[2].value)
    assert read_rows(path)[3:] == [Point(2, "train/grad", math.inf)]


def test_a_run_that_goes_on_has_each_row_once(tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole.csv", tmp_path / "torn.csv"
    written(whole, 6)
    written(torn, 4)  # the checkpoint is of the second
    written(torn, 6, start=2)
    assert torn.read_text() == whole.read_text()


def test_what_was_not_yet_logged_of_the_step_is(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    rows = Rows(path, 0, nobody)
    rows.metrics({"loss/total": 1}, 2)
    rows.close()
    again = Rows(path, 2, nobody)
    again.metrics({"loss/total": 9, "eval/knn": 0.5}, 2)
    again.close()
    assert read_rows(path) == [Point(2, "loss/total", 1.0), Point(2, "eval/knn", 0.5)]


def test_a_run_that_begins_anew_begins_its_rows_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    written(path, 5)
    Rows(path, 0, nobody).close()
    assert path.read_text() == "step,metric,value\n"


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_last_line_that_is_cut_off_is_none(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "metrics.csv"
    written(path, 3)
    path.write_bytes(path.read_bytes()[:-cut])
    left = len("3,eval/knn,0.5\n") - cut
    assert read_rows(path)[-1] == (Point(3, "loss/total", 0.75) if left >= 0 else Point(2, "eval/knn", 0.5))
    written(path, 3, start=2)
    assert read_rows(path)[-1] == Point(3, "eval/knn", 0.5)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"step,metric,value\n",
        b"\x00\xff\n1,loss\n",
        b"1,loss/total,x\n",
        b"a,b,c,d\n",
        b'1,"' + b"x" * 200_000 + b'",2\n1,"loss\n',
    ],
)
def test_what_is_no_row_is_left_out(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(content)
    assert [point for point in read_rows(path) if len(point.metric) < 100] == []


def test_there_may_be_none(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "none.csv") == []


def test_a_file_that_cannot_be_written_is_told_once_and_the_run_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "metrics.csv"
    path.mkdir()
    rows = Rows(path, 0, said.append)
    rows.metrics({"loss/total": 1}, 1)
    rows.close()
    (line,) = said
    assert line.startswith(f"warning: {path} cannot be written: ")
    assert line.endswith("; the metrics from here on are not in it")


def test_a_disk_that_is_full_is_told_once_and_the_run_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    rows = Rows(tmp_path / "metrics.csv", 0, said.append)
    rows.metrics({"loss/total": 1}, 1)
    assert rows._file is not None
    rows._file.close()
    rows._file = open("/dev/full", "w")  # noqa: SIM115
    rows.metrics({"loss/total": 2}, 2)
    rows.metrics({"loss/total": 3}, 3)
    rows.close()
    assert len(said) == 1
    assert "No space left on device" in said[0]
    assert read_rows(tmp_path / "metrics.csv") == [Point(1, "loss/total", 1.0)]
