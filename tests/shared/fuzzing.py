"""What may be handed to graphssl by a stranger, a function each: it takes anything, and raises our errors or none."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from conftest import BYOL, MOCO, SIMCLR
from shard_files import jpeg, tar

import graphssl
from graphssl.data import open_data
from graphssl.data.decode import BadImageError, decode
from graphssl.data.lists import read_list
from graphssl.errors import GraphError, RunError
from graphssl.graph import spec
from graphssl.runs.folder import RUNS, RunFolder, new_run
from graphssl.track.journal import Journal
from graphssl.train.checkpoint import Checkpoints, save

CPU = torch.device("cpu")
OURS = (GraphError, RunError, BadImageError)
EXPRESSION = "critic(z, z, others(z), pairs=cross)"


@contextlib.contextmanager
def place() -> Iterator[Path]:
    """An empty folder, in which the process is meanwhile."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)


def graph(content: bytes) -> None:
    """A graph file, read, and where that goes well checked."""
    with place() as here:
        (here / "g.yaml").write_bytes(content)
        graphssl.check(here / "g.yaml", without_data=True)


def flow(content: bytes) -> None:
    """An expression in the flow."""
    text = SIMCLR.replace(EXPRESSION, content.decode("utf-8", "replace").replace("\n", " "))
    with place() as here:
        (here / "g.yaml").write_text(text, errors="replace")
        graphssl.load(here / "g.yaml")


def change(content: bytes) -> None:
    """A change, as of `--set`."""
    graphssl.load("simclr", [content.decode("utf-8", "surrogateescape")])


def name(content: bytes) -> None:
    """A run's name: refused, or a folder below runs/."""
    with place() as here:
        text = content.decode("utf-8", "surrogateescape")
        folder = new_run(text, "g")
        assert folder.path.resolve().parent == (here / RUNS).resolve()
        assert [p.name for p in (here / RUNS).iterdir()] == [text]


def shard(content: bytes) -> None:
    """A tar with pictures."""
    with place() as here:
        (here / "train.tar").write_bytes(content)
        _read_shards(here)


def index(content: bytes) -> None:
    """What is kept of a tar beside it, or in the cache."""
    with place() as here:
        tar(here / "train.tar", {"0.jpg": jpeg(0), "0.cls": b"1", "1.jpg": jpeg(1), "1.cls": b"0"})
        _read_shards(here)
        kept = [p for p in (here / "cache").rglob("*") if p.is_file() and p.stat().st_size]
        assert kept
        for path in kept:
            path.write_bytes(content)
        _read_shards(here)


def _read_shards(here: Path) -> None:
    given = {"use": "webdataset", "root": str(here), "size": 8, "batch": 1, "resident": "workers", "workers": 0}
    before = os.environ.get("GRAPHSSL_CACHE")
    os.environ["GRAPHSSL_CACHE"] = str(here / "cache")
    try:
        with contextlib.closing(open_data(spec.Data.model_validate(given), CPU, 0)) as data:
            list(data.train.epoch(0))
    finally:
        os.environ.pop("GRAPHSSL_CACHE")
        if before is not None:
            os.environ["GRAPHSSL_CACHE"] = before


def listed(content: bytes) -> None:
    """A list of pictures, as text and as a table."""
    with place() as here:
        for path in (here / "l.txt", here / "l.csv"):
            path.write_bytes(content)
            with contextlib.suppress(RunError):
                read_list(str(path), str(here))


def picture(content: bytes) -> None:
    """A picture's file."""
    decode(content)


def checkpoint(content: bytes) -> None:
    """A checkpoint, by which a run goes on."""
    with place() as here:
        (here / "step-00000003.pt").write_bytes(content)
        found = Checkpoints(here).latest()
        assert found is not None


def journal(content: bytes) -> None:
    """What a run could not deliver."""
    with place() as here:
        (here / "undelivered.jsonl").write_bytes(content)
        kept = Journal(here / "undelivered.jsonl")
        kept.read()
        kept.close()


def facts(content: bytes) -> None:
    """What is known of a run."""
    with place() as here:
        (here / "run.json").write_bytes(content)
        RunFolder(here).facts()


def _bytes_of(make: Callable[[Path], Any]) -> bytes:
    with place() as here:
        make(here / "x")
        return (here / "x").read_bytes()


def _checkpoint(path: Path) -> None:
    tensors = {"encoder.weight": torch.arange(6.0).reshape(2, 3)}
    save(path, {"format": 1, "graph_hash": "x", "step": 3, "model": tensors, "scores": {"knn": {1: 0.5}}})


TABLE = b"path,label,split\na.jpg,cat,train\nb.jpg,dog,test\n"
LINES = (
    b'{"run_id": "abc"}\n{"kind": "metrics", "at": 1, "data": {"loss": 1.0}, "step": 3}\n'
    b'{"kind": "file", "at": 1, "data": {"path": "graph.yaml", "folder": ""}, "step": 0}\n'
)

# Of each target what it takes gladly, from which a fuzzer begins.
SEEDS: dict[Callable[[bytes], None], list[bytes]] = {
    graph: [text.encode() for text in (SIMCLR, BYOL, MOCO)],
    flow: [EXPRESSION.encode(), b"critic(z[0], z[1:], others(z)) + 2 * mean(z)"],
    change: [b"nodes.critic.temperature=0.5", b"train.optimizer={use: lars, lr: 1.0}", b"data.batch=64"],
    name: [b"simclr-1", "größe 2".encode()],
    shard: [_bytes_of(lambda path: tar(path, {"0.jpg": jpeg(0), "0.cls": b"1", "1.jpg": jpeg(1)}))],
    index: [b"{}", b"\x80\x04N."],
    listed: [TABLE, b"a.jpg\nb/c.jpg\n"],
    picture: [jpeg(3)],
    checkpoint: [_bytes_of(_checkpoint)],
    journal: [LINES],
    facts: [b'{"status": "finished", "step": 3, "mlflow": "abc", "changes": {"train.epochs": 3}}'],
}
