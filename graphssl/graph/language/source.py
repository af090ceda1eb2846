"""A graph file with all that it extends and all that `--set` changes, as one mapping that knows where each part stands.

`extends` takes a file or a list of files; later ones win, the file itself wins over them, `--set` over all.
Mappings merge key by key, null removes (a node's option that takes null is null then), everything else replaces. A
mapping that names another `use:` replaces the old one whole, because the old keys belong to another component; of
`data:` what is said of any set stays, and `sections` leaves out what the new set has no use for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import Span
from ..spec.datasets import DATA_SETS
from . import yaml
from .yaml import Places

__all__ = ["SET", "Source", "Table"]

Table = dict[yaml.Path, Places]
SET = "--set"
DATA = ("data",)
# What `data:` says of any set; all else is of the one that it names: where it lies, what its pictures are.
OF_ANY_SET = ("use", "batch", "size", "eval", "resident", "workers", "decode", "on_bad_image", "last")
TOGETHER = ("root", "download")  # of sets that lie in one folder: torchvision's, cifar10 and cifar100, say
SWITCHES = (("evaluate",), ("train", "checkpoint"))  # sections in which null is a value, off, and not a removal


@dataclass
class Source:
    """The merged data, where its parts stand, and the files that it is made of, the graph's own last.

    removed: where a null took out what stood at a path.
    """

    data: dict[str, Any] = field(default_factory=dict)
    places: Table = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    removed: dict[yaml.Path, Span] = field(default_factory=dict)

    def at(self, path: Sequence[str | int], key: bool = False) -> Span:
        """Where a value stands, or its key; what is not in the file stands where the section around it does."""
        whole = tuple(path)
        for end in range(len(whole), 0, -1):
            if (found := self.places.get(whole[:end])) is not None:
                return found.key if key or end < len(whole) else found.value
        return Span(str(self.files[-1]) if self.files else "graph", 1)

    def removal(self, path: Sequence[str | int]) -> str | None:
        """Where that which stood at a path was taken out, in words; None if nothing was."""
        at = self.removed.get(tuple(path))
        if at is None:
            return None
        return f"it was removed by --set {at.text}" if at.file == SET else f"it was removed at {at.file}:{at.line}"

    def copy(self) -> Source:
        """Of which nothing changes with this one."""
        return Source(deepcopy(self.data), dict(self.places), self.files, dict(self.removed))

    def merge(self, other: Source) -> None:
        """Lays another source over this one."""
        self._merge(self.data, other.data, (), other.places)
        self.removed |= other.removed
        self.files = tuple(dict.fromkeys((*self.files, *other.files)))

    def _merge(self, old: dict[str, Any], new: dict[str, Any], path: yaml.Path, places: Table) -> None:
        for key, value in new.items():
            at = (*path, key)
            if value is None and key in old and path not in SWITCHES:
                self._forget(at, old.pop(key))
                self.removed[at] = places[at].key
            elif isinstance(value, dict) and isinstance(old.get(key), dict) and not _other_use(old[key], value, at):
                self.places[at] = places[at]
                if at == DATA:
                    self._leave_out_of_data(old[key], value)
                self._merge(old[key], value, at, places)
            else:
                self._forget(at, old.get(key))
                old[key] = value
                if self.removed:
                    self.removed = {p: where for p, where in self.removed.items() if p[: len(at)] != at}
                self.places.update((p, places[p]) for p in _below(value, at) if p in places)

    def _leave_out_of_data(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        """What an extended graph says of its own set, where this names another; and how it evaluates other sizes."""
        other = "use" in new and old.get("use", new["use"]) != new["use"]
        kept = (*OF_ANY_SET, *(TOGETHER if all(map(_is_archive, (old.get("use"), new.get("use")))) else ()))
        for key in list(old):
            of_the_set = (other and key not in kept) or (key == "eval" and "size" in new and "eval" not in new)
            # Of several --set none is before another.
            if of_the_set and not self._changed_by_set((*DATA, key)):
                self._forget((*DATA, key), old.pop(key))

    def _changed_by_set(self, path: yaml.Path) -> bool:
        return any(where.key.file == SET for at, where in self.places.items() if at[: len(path)] == path)

    def _forget(self, path: yaml.Path, value: Any) -> None:
        for at in _below(value, path):
            self.places.pop(at, None)


def _below(value: Any, path: yaml.Path) -> Iterator[yaml.Path]:
    """The paths of a value and of all that is in it."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        yield from _below(inner, (*path, key))


def _is_archive(use: object) -> bool:
    return isinstance(use, str) and use in DATA_SETS and DATA_SETS[use].kind == "archive"


def _other_use(old: dict[str, Any], new: dict[str, Any], path: yaml.Path) -> bool:
    return path != DATA and "use" in new and "use" in old and new["use"] != old["use"]
