"""Where shards are: a folder, a pattern with braces or stars, or either at an address that fsspec knows (`s3://...`)."""

from __future__ import annotations

import glob
import itertools
import os
import re

from ...errors import RunError, reason_of
from ...files import home

SUFFIX = ".tar"
TRAIN, HELD_OUT = ("train",), ("test", "val", "valid", "validation")
HERE = re.compile(r"^(file|local)://")
REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*(::|://)")
BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")
STARS, WILD = re.compile(r"\*"), re.compile(r"[*?\[]")  # the former at an address, whose `?` begins a query


class NoShardsError(RunError):
    """Why a key of `data:` names no shards."""

    def __init__(self, key: str, reason: str) -> None:
        self.key, self.reason = key, reason
        super().__init__(f"{reason} (data.{key})")


def is_remote(address: str) -> bool:
    """Whether an address has a protocol that is not this machine's, and so is fsspec's business."""
    return REMOTE.match(address) is not None and not HERE.match(address)


def name_of(address: str) -> str:
    """The last part of an address: the shard's own name."""
    return address.rstrip("/").rpartition("/")[2]


def expanded(pattern: str) -> list[str]:
    """Braces written out, left to right: `{000..146}` counts, as wide as its first number, `{a,b}` lists. Others stay.

    >>> expanded("s-{08..10}.tar")
    ['s-08.tar', 's-09.tar', 's-10.tar']
    """
    found = BRACES.search(pattern)
    if found is None:
        return [pattern]
    before, after = pattern[: found.start()], expanded(pattern[found.end() :])
    return ["".join((before, option, rest)) for option, rest in itertools.product(_options(found[1]), after)]


def _options(inner: str) -> list[str]:
    counted = RANGE.fullmatch(inner)
    if counted is None:
        return inner.split(",") if "," in inner else [f"{{{inner}}}"]
    first, last = counted.groups()
    return [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]


def unreadable(pattern: str) -> str | None:
    """Why shards cannot be read on this machine, known without asking anybody else."""
    for found in BRACES.finditer(pattern):
        if ".." in found[1] and "," not in found[1] and not RANGE.fullmatch(found[1]):
            return f"'{found[0]}' in '{pattern}' does not count: a range is of whole numbers, as in {{000..146}}"
    if not expanded(pattern):
        return f"'{pattern}' counts backwards"
    if not is_remote(pattern):
        return None
    protocols = [part.partition("://")[0] for part in pattern.split("::") if "://" in part or "::" in pattern]
    return next((why for protocol in protocols if (why := _no_protocol(protocol)) is not None), None)


def _no_protocol(protocol: str) -> str | None:
    from fsspec.registry import get_filesystem_class, known_implementations

    try:
        get_filesystem_class(protocol)
    except ValueError:
        return f"'{protocol}://' is no protocol that fsspec knows"
    except ImportError as error:
        package = str(known_implementations[protocol]["class"]).partition(".")[0]
        if package == "fsspec":  # which says itself what it lacks
            return f"'{protocol}://' cannot be read: {error}"
        return f"'{protocol}://' needs the package '{package.replace('_', '-')}': pip install {package}"
    return None


def split(root: str, test: str | None) -> tuple[list[str], list[str]]:
    """Training shards and held-out shards (none, maybe), in the order of the pattern, a folder's by their names.

    A folder's training shards are those in its folder `train`, or else those with `train` in their names, or else all
    but the held-out ones; these are in its folder `test` (`val`, `valid`, `validation`) or have that in their names.
    test: replaces what the folder would hold out. Raises NoShardsError where there is no shard, RunError where nobody
    can look.
    """
    for key, pattern in (("root", root), ("test", test)):
        if pattern is not None and (reason := unreadable(pattern)):
            raise NoShardsError(key, reason)
    if not is_remote(here := absolute(root)) and not _is_pattern(here) and not os.path.isdir(here):
        raise NoShardsError("root", f"there is no folder '{here}'")
    train, held_out = (listed(root), []) if _is_pattern(root) else _in_folder(here)
    if test is not None:
        held_out = listed(test)
        left = [shard for shard in train if shard not in set(held_out)]
        if train and not left:
            raise NoShardsError("test", f"all shards of '{root}' are held out: none is left to train on")
        train = left
    if not train:
        raise NoShardsError("root", f"there is no training shard: no file of '{root}' ends in {SUFFIX}")
    if test is not None and not held_out:
        raise NoShardsError("test", f"there is no held-out shard: no file of '{test}' ends in {SUFFIX}")
    return train, held_out


def listed(pattern: str) -> list[str]:
    """The shards of a pattern or a folder. What is written out is taken to be there; stars are looked up."""
    pattern = absolute(pattern)
    if not _is_pattern(pattern):
        return _inside(pattern)
    return [shard for one in expanded(pattern) for shard in (_matching(one) if _has_stars(one) else [one])]


def everything(root: str) -> list[str]:
    """The shards of a pattern, or of a folder and of those in it that `split` looks into."""
    if _is_pattern(root):
        return listed(root)
    here = absolute(root)
    return [shard for folder in (here, *(f"{here}/{name}" for name in TRAIN + HELD_OUT)) for shard in _inside(folder)]


def absolute(pattern: str) -> str:
    """An address as it is, a path from the root on."""
    pattern = HERE.sub("", pattern)
    return pattern.rstrip("/") if is_remote(pattern) else os.path.abspath(home(pattern))


def is_looked_up(pattern: str) -> bool:
    """Whether its owner must be asked which shards there are."""
    return not _is_pattern(pattern) or _has_stars(pattern)


def _is_pattern(pattern: str) -> bool:
    """Whether it names shards rather than their folder."""
    if not is_remote(pattern) and os.path.isdir(absolute(pattern)):
        return False
    return bool(BRACES.search(pattern)) or _has_stars(pattern) or pattern.partition("?")[0].endswith(SUFFIX)


def _has_stars(pattern: str) -> bool:
    return bool((STARS if is_remote(pattern) else WILD).search(pattern))


def _in_folder(root: str) -> tuple[list[str], list[str]]:
    here, inner = _inside(root), _inside(f"{root}/train")
    held_out = next((found for name in HELD_OUT if (found := _inside(f"{root}/{name}"))), [])
    held_out = held_out or [shard for shard in here if _says(shard, HELD_OUT)]
    train = inner or [shard for shard in here if _says(shard, TRAIN)] or here
    return [shard for shard in train if shard not in set(held_out)], held_out


def _inside(folder: str) -> list[str]:
    return _matching(f"{folder if is_remote(folder) else glob.escape(folder)}/*{SUFFIX}")


def _says(shard: str, words: tuple[str, ...]) -> bool:
    return not set(words).isdisjoint(re.split(r"[^a-z]+", name_of(shard).lower()))


def _matching(pattern: str) -> list[str]:
    """What a pattern with stars finds, by name."""
    if not is_remote(pattern):
        return sorted(glob.glob(pattern))
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(pattern)
        found = system.glob(path)
    except Exception as error:  # each protocol has its own
        raise RunError(f"'{pattern}' cannot be listed: {reason_of(error)}") from error
    return sorted(str(system.unstrip_protocol(name)) for name in found)
