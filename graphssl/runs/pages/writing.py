"""Where a page is written to: looked at before anything is gathered for it, written whole or not at all; and MLflow,
which gets it too."""

from __future__ import annotations

import logging
from pathlib import Path

from ...errors import RunError, UsageError
from ...files import special, write_whole
from ...report.page import check_plotly
from ...track import attach

__all__ = ["check_page", "write_page"]

ENDINGS = (".html", ".htm")
ARTIFACTS = "pages"  # the folder among a run's artifacts

log = logging.getLogger(__name__)


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


def write_page(path: Path, text: str, run: str, run_id: str | None) -> None:
    """Also as an artifact of a run in MLflow: its name, and its id, None of one that is not there.

    Raises RunError where it cannot be written; where MLflow does not take it, that is said.
    """
    write_whole(path, text)
    if run_id is None:
        return
    try:
        attach(run_id, path, ARTIFACTS)
        log.info("in MLflow it is %s/%s of the run '%s'", ARTIFACTS, path.name, run)
    except RunError as error:
        log.warning(
            "warning: %s could not be added to the run '%s' in MLflow (%s); the same command tries it again",
            path, run, error,
        )  # fmt: skip
