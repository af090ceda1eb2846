"""What a run keeps in its folder to be gone on with. Whole runs are in `test_run`."""

from __future__ import annotations

from pathlib import Path

from conftest import SIMCLR, Write

from graphssl.checks.checked import check
from graphssl.runs.portable import portable


def test_the_kept_graph_names_components_by_their_full_path(write: Write, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    checked = check(write(SIMCLR, ("graph: simclr", "components: [./mine.py, wave]\ngraph: simclr")))
    assert portable(checked)["components"] == [str(tmp_path / "mine.py"), "wave"]
    assert portable(check(write(SIMCLR)))["components"] == []
