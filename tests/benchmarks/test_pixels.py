"""`pixels` says what an encoder has to beat: raw pixels and an untrained encoder, judged as encoders are."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark_scripts import Script, cells


def test_pixels_are_judged_as_encoders_are(
    script: Script, pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The two colours are told apart by their pixels."""
    data = f"data={{use: image_folder, root: {pictures}, size: 32, batch: 4}}"
    monkeypatch.setattr("sys.argv", ["pixels.py", "byol", "--set", data, "--set", "evaluate.knn={k: 3}"])
    script("pixels").main()
    lines = capsys.readouterr().out.splitlines()
    assert cells("\n".join(lines), "kNN") == ["100.00 %", "linear 100.00 %", "raw pixels"]
    assert lines[-1].endswith("untrained encoder of byol")
