"""Opens the book of a study: a journal in its folder, or any storage of Optuna's.

A line of the journal that a process began and did not end, as it was killed or the power was cut, is cut off before the
next is written; what the book knew before stays.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ...errors import RunError, reason_of

__all__ = ["JOURNAL", "books_in", "opened", "optuna_here", "telling"]

JOURNAL = "journal.log"
WITHOUT = "studies need Optuna: pip install 'graphssl[study]'"
PATIENCE = 60.0  # seconds that one process waits for others that have an SQLite file
GRACE = 10  # seconds after which a lock is broken that a process has left that was killed


def optuna_here() -> Any:
    """The library. Raises RunError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise RunError(WITHOUT) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def opened(name: str, folder: Path, storage: str | None, *, new: bool, more: bool, sampler: str) -> Any:
    """Optuna's study of that name, None where there is none and it is not to begin. storage: a URL of Optuna's.

    Raises RunError where the book cannot be used.
    """
    optuna, journal = optuna_here(), folder / JOURNAL
    if storage is None and not new and not os.path.lexists(journal):
        return None
    where = "the storage" if storage is not None else str(journal)
    with telling(where, damaged=storage is None):
        kept = _journal(optuna, journal) if storage is None else _stored(optuna, storage)
        known = [one.study_name for one in optuna.get_all_study_summaries(kept)]
        if name not in known and not new:
            return None
        study = optuna.create_study(
            storage=kept, study_name=name, direction="maximize" if more else "minimize", load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0),
        )  # fmt: skip
        study.sampler = _sampler(optuna, sampler, None if name not in known else len(study.get_trials(deepcopy=False)))
        return study


def _sampler(optuna: Any, name: str, trials: int | None) -> Any:
    """Of a study that goes on, or that several processes draw for, with another seed: it would draw the same again.

    trials: that it has; None of a new one.
    """
    seed = 0 if trials is None else ((trials << 20) + os.getpid()) % (1 << 32)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return optuna.samplers.RandomSampler(seed=seed)


def _stored(optuna: Any, url: str) -> Any:
    """A storage of Optuna's. It has a trial be one process's by locking its row, which SQLite does not do: there each
    transaction has the whole file, from its beginning on."""
    if not url.startswith("sqlite"):
        return optuna.storages.get_storage(url)
    from sqlalchemy import event

    options = {"timeout": PATIENCE, "isolation_level": None}  # sqlite3's own transactions begin at the first change
    kept = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": options})
    event.listen(kept.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return optuna.storages.get_storage(kept)


def _journal(optuna: Any, path: Path) -> Any:
    journal = optuna.storages.journal
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = journal.JournalFileOpenLock(str(path), grace_period=GRACE)

    class Whole(journal.JournalFileBackend):  # type: ignore[name-defined, misc]
        """Each line in it is whole."""

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
            lock.acquire()
            try:
                with open(path, "r+b") as file:
                    _cut(file)
                    file.write(text.encode())
                    file.flush()
                    os.fsync(file.fileno())
            finally:
                lock.release()

    return optuna.storages.JournalStorage(Whole(str(path), lock_obj=lock))


def _cut(file: IO[bytes]) -> None:
    """Ends a file after its last whole line, and stands there."""
    end = size = file.seek(0, os.SEEK_END)
    while end and not _ends_a_line(file, end):
        end -= 1
    if end < size:
        file.truncate(end)
    file.seek(end)


def _ends_a_line(file: IO[bytes], end: int) -> bool:
    file.seek(end - 1)
    return file.read(1) == b"\n"


@contextlib.contextmanager
def telling(where: str, *, damaged: bool = False) -> Iterator[None]:
    """What goes wrong with the book is a RunError. damaged: whether it is a file that may be."""
    try:
        yield
    except (RunError, KeyboardInterrupt):
        raise
    except OSError as error:
        raise RunError(f"the study's book, {where}, cannot be used: {error.strerror or error}") from error
    except Exception as error:  # Optuna's, SQLAlchemy's
        if damaged:
            raise RunError(
                f"the study's book, {where}, is damaged ({reason_of(error)}): move it away and give the command again, "
                "which trains nothing again that is finished"
            ) from error
        raise RunError(f"the study's book, {where}, cannot be used: {reason_of(error)}") from error


def books_in(folder: Path) -> Sequence[str]:
    """The names of the studies whose journals lie in a folder."""
    return sorted(path.parent.name for path in folder.glob(f"*/{JOURNAL}"))
