"""Features on the disk, by a hash of all that they depend on; those that were used longest ago leave first."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..files import replacing, user_cache

__all__ = ["SIZE", "FeatureCache", "digest_of"]

SIZE = "GRAPHSSL_FEATURE_CACHE"  # GiB that it takes at most; 0 keeps nothing
DEFAULT = 10.0
CHECKED = "crc32"  # of a file's metadata


@dataclass(frozen=True)
class FeatureCache:
    """depends: by what features are known, but for the split; all of it JSON's. most: bytes."""

    folder: Path
    most: int
    depends: Mapping[str, Any]

    @classmethod
    def of(cls, depends: Mapping[str, Any]) -> FeatureCache:
        """The user's own. Raises UsageError for a size that is none."""
        said = os.environ.get(SIZE)
        try:
            most = DEFAULT if said is None else float(said)
        except ValueError:
            most = -1.0
        if not 0 <= most < 1e9:
            raise UsageError(f"{SIZE} is '{said}': it is a number of GiB, and 0 keeps no features")
        return cls(user_cache() / "features", int(most * 2**30), depends)

    def _path(self, split: str) -> Path:
        known = json.dumps({**self.depends, "split": split}, sort_keys=True)
        return self.folder / f"{hashlib.sha256(known.encode()).hexdigest()[:40]}.safetensors"

    def load(self, split: str, device: torch.device) -> tuple[Tensor, Tensor] | None:
        """Features and labels; None where they are not there, cannot be read, or are not those that were written."""
        from safetensors import SafetensorError, safe_open

        path = self._path(split)
        with contextlib.suppress(OSError, SafetensorError, KeyError):
            if not self.most:
                return None
            with safe_open(path, framework="pt", device="cpu") as file:
                features, labels = file.get_tensor("features"), file.get_tensor("labels")
                whole = (file.metadata() or {}).get(CHECKED) == _checked(features, labels)
            if whole:
                os.utime(path)
                return features.to(device), labels.to(device)
        return None

    def save(self, split: str, features: Tensor, labels: Tensor) -> None:
        """Keeps them where there is room: a disk that is full or not to be written on is no error."""
        from safetensors.torch import save_file

        size = features.nbytes + labels.nbytes
        if size > self.most:
            return
        with contextlib.suppress(OSError, RuntimeError):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(size)
            with replacing(self._path(split)) as path:
                tensors = {"features": features.contiguous(), "labels": labels.contiguous()}
                save_file(tensors, path, metadata={CHECKED: _checked(features, labels)})

    def _make_room(self, size: int) -> None:
        files = []
        for path in self.folder.glob("*.safetensors"):
            with contextlib.suppress(OSError):  # another process removes it too
                facts = path.stat()
                files.append((facts.st_mtime, facts.st_size, path))
        taken = sum(length for _, length, _ in files)
        for _, length, path in sorted(files):
            if taken + size <= self.most:
                return
            path.unlink(missing_ok=True)
            taken -= length


def _checked(*tensors: Tensor) -> str:
    """By what it is known that a disk gives what it was given."""
    found = 0
    for tensor in tensors:
        found = zlib.crc32(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data, found)
    return str(found)


def _code_of(cls: type) -> bytes:
    """The file that a class is written in; of torch's own its name, beside which its version is known."""
    name = f"{cls.__module__}.{cls.__qualname__}".encode()
    if cls.__module__.partition(".")[0] != "torch":
        with contextlib.suppress(OSError, TypeError):
            return name + Path(inspect.getfile(cls)).read_bytes()
    return name


def digest_of(module: nn.Module) -> str:
    """Of a network: what its parts are, the code that they are written in, and all their numbers."""
    digest = hashlib.sha256(repr(module).encode())
    for cls in sorted({type(part) for part in module.modules()}, key=lambda cls: (cls.__module__, cls.__qualname__)):
        digest.update(_code_of(cls))
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
