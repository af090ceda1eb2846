"""Graph files in a folder, some of which extend others, and what stands at a place of what is loaded."""

from __future__ import annotations

from pathlib import Path

from graphssl.graph.language.source import Source

FILES = {
    "base.yaml": "graph: base\nnodes:\n  a: {use: one, x: 1, y: [1, 2]}\n  b: {use: two}\nflow: {v: a(batch.image)}\n",
    "more.yaml": "train: {epochs: 3, optimizer: {use: sgd, lr: 1}}\n",
}


def files(folder: Path, **texts: str) -> Path:
    for name, text in {**FILES, **{f"{k}.yaml": v for k, v in texts.items()}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "my.yaml"


def shown(source: Source, *path: str | int, key: bool = False) -> str:
    span = source.at(path, key)
    return span.text[span.column - 1 :][: span.length]
