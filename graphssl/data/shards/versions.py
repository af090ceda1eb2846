"""By what a shard is known to be the one of an earlier start, without reading it: what its file's owner says of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections import deque
from collections.abc import Iterable

from .addresses import is_remote

AT_ONCE = 32  # owners that are asked
PATIENCE = 30.0  # seconds without any answer, after which nobody is asked any more
# Names that protocols of fsspec have for what changes with a file, letters alone, the surest first.
TAGS = (
    "md5hash", "contentmd5", "md5", "etag", "blobid", "sha", "generation", "lastmodified", "lastmodifieddate", "mtime",
    "modified", "modificationtime", "lastwritetime", "modify", "updated", "created",
)  # fmt: skip


def versions_of(urls: Iterable[str]) -> dict[str, str]:
    """A word for the version of each shard; empty for one at an address of which nobody says anything."""
    versions = {url: "" if is_remote(url) else _here(url) for url in urls}
    remote = [url for url in versions if is_remote(url)]
    left, answers = deque(remote), queue.SimpleQueue[tuple[str, str]]()

    def ask() -> None:
        with contextlib.suppress(IndexError):  # none is left
            while True:
                url = left.popleft()
                answers.put((url, _there(url)))

    # No executor: an interrupt, and the process's end, would wait for those that are being asked.
    for _ in remote[:AT_ONCE]:
        threading.Thread(target=ask, daemon=True).start()
    try:
        for _ in remote:
            url, version = answers.get(timeout=PATIENCE)
            versions[url] = version
    except queue.Empty:  # nobody answers
        pass
    finally:
        left.clear()
    return versions


def _here(path: str) -> str:
    try:
        file = os.stat(path)
    except OSError:
        return "gone"  # and `scan` says what is wrong
    return _word(file.st_size, file.st_mtime_ns)


def _there(url: str) -> str:
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(url)
        facts = {"".join(filter(str.isalnum, key.lower())): value for key, value in system.info(path).items()}
    except Exception:  # each protocol has its own, and fetching the shard will say what is wrong
        return ""
    tag = next((facts[name] for name in TAGS if facts.get(name)), None)
    return "" if tag is None and facts.get("size") is None else _word(facts.get("size"), tag)


def _word(*facts: object) -> str:
    return hashlib.blake2b(repr(facts).encode(), digest_size=4).hexdigest()
