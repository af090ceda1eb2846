"""Where a page is written to: looked at before anything is gathered for it, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from ...errors import RunError, UsageError
from ...files import special, write_whole
from ...report.page import check_plotly

__all__ = ["check_page", "write_page"]

ENDINGS = (".html", ".htm")


def check_page(path: Path) -> None:
    """Raises UsageError for a file that is no page's, RunError where it could not be written, or not be made."""
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"a page cannot be written as '{path.name}': its name ends in {' or '.join(ENDINGS)}")
    if found := special(path):
        raise UsageError(f"{path} is {found}, and no regular file: name a file, such as page.html")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to write {path.name} to")
    check_plotly()
    trial = path.with_name(f".{path.name}.trial")
    try:
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error


def write_page(path: Path, text: str) -> None:
    """Raises RunError where it cannot be written."""
    write_whole(path, text)
