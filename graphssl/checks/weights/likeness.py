"""What a file looks like that holds no weights by their names, and what to do then."""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from .refusal import Refused

__all__ = ["is_module", "protocol_of", "refuse_others", "rewritten"]

HEAD = 512  # bytes that are looked at
MAGIC = b"l\xfc\x9cF\xf9 j\xa8P\x19"  # near the start of torch's files before 1.6
START = 2**16  # bytes of a pickle, in which its class is named
HEADER = 3  # pickles in front of the content of such a file
MAPPINGS = ("collections OrderedDict", "collections defaultdict", "builtins dict")
RENAME = "a .pt, .pth or .safetensors file is"
SIGNS = (  # how files begin
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it"), (b"\x93NUMPY", "an array of numpy's (.npy)"),
    (b"\x1f\x8b", "packed by gzip"), (b"BZh", "packed by bzip2"), (b"\xfd7zXZ\x00", "packed by xz"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd"), (b"GGUF", "a GGUF file"), (b"%PDF", "a PDF"), (b"\xff\xd8\xff", "a JPEG"),
    (b"\x89PNG\r\n\x1a\n", "a PNG"),
)  # fmt: skip


def refuse_others(path: Path) -> None:
    """Raises Refused for a file that is not one of its name's kind, and says what it looks like."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror or error}") from error
    is_safe, named_so = _is_safetensors(head), path.suffix == ".safetensors"
    if named_so and not is_safe and (zipfile.is_zipfile(path) or head[:1] == b"\x80"):
        raise Refused(f"{path} looks like a file of torch's, and not of safetensors", "name it .pt, if that is so")
    if is_safe and not named_so:
        raise Refused(f"{path} looks like a file of safetensors", "name it .safetensors, if that is so")
    if not is_safe:
        _refuse_by_head(path, head)
        if zipfile.is_zipfile(path):
            _refuse_archive(path)


def _refuse_by_head(path: Path, head: bytes) -> None:
    if not head:
        raise Refused(f"{path} is empty, and no file of weights", "was it copied to its end?")
    what = next((said for sign, said in SIGNS if head.startswith(sign)), None) or _as_text(head)
    if what is not None:
        raise Refused(f"{path} is no file of weights: it looks like {what}", RENAME)
    if head[:1] == b"\x80" and MAGIC not in head:
        hint = f"torch.save(what it holds, '{_beside(path)}') writes one, of tensors by their names"
        raise Refused(f"{path} is no file of weights: it looks like a pickle that torch.save has not written", hint)
    if head[:2] == b"PK" and not zipfile.is_zipfile(path):
        raise Refused(f"{path} is damaged: it begins as torch's files do, and its end is missing")


def _as_text(head: bytes) -> str | None:
    """What a text looks like; None for what is none."""
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else a character is cut in two
            return None
        text = head[: error.start].decode()
    if not all(c.isprintable() or c.isspace() for c in text):
        return None
    start = text.lstrip().lower()
    if start.startswith("version https://git-lfs"):
        return "a pointer of Git LFS, in whose place `git lfs pull` puts the file"
    if start.startswith(("<!doctype", "<html")):
        return "a web page, as a download that failed leaves one"
    return "JSON" if start.startswith(("{", "[")) else "a text"


def _is_safetensors(head: bytes) -> bool:
    """Eight bytes that are the length of a table, and the table, in JSON."""
    return len(head) > 9 and head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") < 2**32


def _refuse_archive(path: Path) -> None:
    """Raises Refused for a zip archive that torch.save has not written."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise Refused(f"{path} is damaged ({error})") from error
    last = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in last:
        hint = f"write its weights alone, once: {rewritten(path, 'torch.jit.load', '.state_dict()')}"
        raise Refused(f"{path} is a TorchScript archive, a program with its weights", hint)
    if "data.pkl" in last:
        return
    if names and all(name.endswith(".npy") for name in names):
        raise Refused(
            f"{path} is no file of weights: it looks like arrays of numpy's (.npz)",
            f'tensors of them, once: python -c "import numpy, torch; torch.save({{k: torch.from_numpy(v) for k, v in '
            f"numpy.load('{path}').items()}}, '{_beside(path)}')\"",
        )
    raise Refused(f"{path} is no file of weights: it looks like a zip archive that torch.save has not written", RENAME)


def is_module(path: Path) -> bool:
    """Whether a file of torch's is one object, as a module that was saved whole, and no mapping. Runs nothing."""
    return _is_object(_pickled(path))


def protocol_of(path: Path) -> int:
    """The protocol of a file's pickle; 0 where there is none."""
    pickled = _pickled(path)
    return pickled[1] if pickled[:1] == b"\x80" else 0


def _pickled(path: Path) -> bytes:
    """The pickle of the content of a file of torch's; nothing for a damaged one."""
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                for _ in range(HEADER):
                    list(pickletools.genops(file))
                return file.read(START)
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl")
            return archive.read(name)[:START]
    except Exception:  # it can fail in any way
        return b""


def _is_object(pickled: bytes) -> bool:
    """By what a pickle begins with: a class, and none of a mapping."""
    words: list[str] = []
    for opcode, argument, _ in _operations(pickled):
        if opcode.name in ("GLOBAL", "STACK_GLOBAL"):
            return (argument or " ".join(words[-2:])) not in MAPPINGS
        if isinstance(argument, str):
            words.append(argument)
        elif opcode.name not in ("PROTO", "FRAME", "MEMOIZE", "BINPUT", "MARK"):
            return False
    return False


def _operations(pickled: bytes) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    with suppress(Exception):  # a damaged one, or one that was cut off
        yield from pickletools.genops(io.BytesIO(pickled))


def rewritten(path: Path, load: str, part: str, more: str = "") -> str:
    """The command that writes a file's weights alone. part: of what it holds, `['state_dict']`."""
    what = f"{load}('{path}', {more}map_location='cpu'){part}"
    return f"python -c \"import torch; torch.save({what}, '{_beside(path)}')\""


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name.split('.')[0]}-weights.pt")
