"""Runs the notebooks beside it, each in a new folder, and keeps what they show: python docs/notebooks/execute.py"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
SECONDS = 600  # that a cell may take


def executed(notebook: Path, folder: Path) -> Any:
    """The notebook with what its cells give when they are run in a folder. Raises nbclient's CellExecutionError."""
    found = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        found, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env={**os.environ, "PYTHONWARNINGS": "ignore:IProgress not found"})  # tqdm's, where no widgets are
    for cell in found.cells:
        cell.metadata.pop("execution", None)  # times
        for output in cell.get("outputs", ()):
            for kind, content in output.get("data", {}).items():
                output["data"][kind] = without_place(content, folder)
            if "text" in output:
                output["text"] = without_place(output["text"], folder)
    return found


def without_place(content: Any, folder: Path) -> Any:
    """Without the folder in which it was run."""
    return re.sub(re.escape(str(folder)) + "/?", "", content) if isinstance(content, str) else content


def main() -> None:
    for notebook in sorted(HERE.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            found = executed(notebook, Path(folder))
        nbformat.write(found, notebook)
        print(f"ran {notebook.name}")


if __name__ == "__main__":
    main()
