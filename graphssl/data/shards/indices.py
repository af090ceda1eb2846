"""The indices of a set's shards: beside them, in the user's cache, or made now, a shard at a time."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import addresses
from .copies import Copies, cache_folder, kept_in
from .index import Index, load, scan, seal_of

AT_ONCE = 4  # shards that are fetched and scanned
BESIDE = ".index"

Progress = Callable[[int, int], None]


def indices_of(urls: Sequence[str], copies: Copies, progress: Progress | None) -> list[Index]:
    """The index of each shard: the one beside it, one that is kept, or one that is made now, which takes its time."""
    known = _all_beside(urls)
    known |= {url: i for url in urls if url not in known and (i := load(kept_at(url, copies.versions))) is not None}
    new = [url for url in urls if url not in known]
    found = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for done, (url, index) in enumerate(zip(new, pool.map(lambda u: _made(u, copies), new), strict=True), 1):
                known[url] = index
                found += len(index.names)
                if progress is not None:
                    progress(found, found * len(new) // done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            copies.give_up()  # else the pool would wait for whole shards
            raise
    return [known[url] for url in urls]


def beside(url: str) -> str:
    """Where the index of a shard is that came with it. What a signed address has behind `?` is not its own."""
    return f"{url.partition('?')[0] if addresses.is_remote(url) else url}{BESIDE}"


def kept_at(url: str, versions: Mapping[str, str]) -> Path:
    """Where the index of a shard is kept, one for each state that it was in."""
    return kept_in(cache_folder() / "indices", url, versions.get(url, ""), BESIDE)


def _all_beside(urls: Iterable[str]) -> dict[str, Index]:
    """The indices that lie beside their shards, all of an address fetched together."""
    urls = list(urls)
    local = [url for url in urls if not addresses.is_remote(url)]
    found = {url: index for url in local if (index := _usable(url, load(beside(url)))) is not None}
    remote = [url for url in urls if addresses.is_remote(url)]
    if remote:
        contents = _fetched([beside(url) for url in remote])
        found |= {url: i for url in remote if (b := contents.get(beside(url))) and (i := load(io.BytesIO(b)))}
    return found


def _usable(url: str, index: Index | None) -> Index | None:
    """An index beside a shard, if it is this shard's and was written after it: new labels may leave its seal."""
    if index is not None:
        with contextlib.suppress(OSError), open(url, "rb") as file:
            older = os.stat(beside(url)).st_mtime_ns < os.fstat(file.fileno()).st_mtime_ns
            return index if not older and seal_of(file.fileno(), index.offset) == index.seal else None
    return None  # and the shard itself will say what is wrong


def _fetched(urls: Sequence[str]) -> dict[str, bytes]:
    """What small files hold, of those that are there."""
    from fsspec.core import url_to_fs

    found: dict[str, bytes] = {}
    for _, group in itertools.groupby(urls, key=lambda url: url.partition(":")[0]):
        with contextlib.suppress(Exception):  # each protocol has its own, and the shard itself will say what is wrong
            places = [(*url_to_fs(url), url) for url in group]
            names = {path: url for _, path, url in places}
            contents = places[0][0].cat(list(names), on_error="omit")
            found |= {names[path]: content for path, content in contents.items() if path in names}
    return found


def _made(url: str, copies: Copies) -> Index:
    """A new index of a shard, which is kept."""
    kept = kept_at(url, copies.versions)
    index = scan(copies.path(url), url)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs the next start a scan
        kept.parent.mkdir(parents=True, exist_ok=True)
        index.save(kept)
    return index
