"""By what a shard is known to be the one of an earlier start, without reading it: what its file's owner says of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from .addresses import is_remote

AT_ONCE = 32  # owners that are asked
# Names that protocols of fsspec have for what changes with a file, letters alone, the surest first.
TAGS = (
    "md5hash", "contentmd5", "md5", "etag", "blobid", "sha", "generation", "lastmodified", "lastmodifieddate", "mtime",
    "modified", "modificationtime", "lastwritetime", "modify", "updated", "created",
)  # fmt: skip


def states_of(urls: Iterable[str]) -> dict[str, str]:
    """A word for the state of each shard; empty for one at an address of which nobody says anything."""
    urls = list(urls)
    states = {url: _here(url) for url in urls if not is_remote(url)}
    remote = [url for url in urls if url not in states]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return states | dict(zip(remote, pool.map(_there, remote), strict=True))


def _here(path: str) -> str:
    try:
        state = os.stat(path)
    except OSError:
        return "gone"  # and `scan` says what is wrong
    return _word(state.st_size, state.st_mtime_ns)


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
