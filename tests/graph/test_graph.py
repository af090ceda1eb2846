"""The graph as data: its lines, what depends on what, its hash, and its resolved form."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
from conftest import MOCO, Write
from wired import read

import graphssl
from graphssl.graph.language.dump import dump
from graphssl.graph.language.expressions import calls_in
from graphssl.graph.read import load

BANK = (
    ("queue:     {use: negatives.queue, size: 48}", "bank: {use: negatives.memory_bank, sample: 12}"),
    ("queue()", "bank(batch.index)"),
    ("queue: push(k)", "bank: store(batch.index, k)"),
)


def test_digraph_is_acyclic_and_carries_slots(write: Write) -> None:
    digraph = read(write, MOCO).digraph()
    assert nx.is_directed_acyclic_graph(digraph)
    assert all(data["slots"] for *_, data in digraph.edges(data=True))


def test_hash_ignores_the_name_and_sees_every_value(write: Write) -> None:
    base = read(write, MOCO).hash()
    assert read(write, MOCO, ("graph: moco", "graph: other")).hash() == base
    assert read(write, MOCO, ("size: 48", "size: 64")).hash() != base


def test_resolved_graph_has_defaults_and_reads_back(write: Write) -> None:
    graph = read(write, MOCO)
    resolved = graph.resolved()
    assert resolved["nodes"]["target"]["buffers"] == "own"
    assert resolved["train"]["schedule"]["shape"] == "cosine"
    again = load(write(dump(resolved), name="again.yaml"))
    assert again.resolved() == resolved
    assert again.hash() == graph.hash()


def test_lines_are_kept_as_they_are_written(write: Write) -> None:
    graph = read(write, MOCO, ("x: augment(batch.image)", "a, b: augment(batch.image)"), ("x[0]", "a"), ("x[1]", "b"))
    lines = [(line.section, [name.id for name in line.names], line.names[0].span.line) for line in graph.lines]
    assert lines == [
        ("flow", ["a", "b"], 12), ("flow", ["q"], 13), ("flow", ["k"], 14), ("flow", ["s"], 15),
        ("loss", ["infonce"], 17), ("update", ["target"], 19), ("update", ["queue"], 20),
    ]  # fmt: skip
    assert [[call.node for call in calls_in(line.expression)] for line in graph.lines] == [
        ["augment"], ["projector", "encoder"], ["target"], ["critic", "queue"], ["objective"], ["follow"], ["push"],
    ]  # fmt: skip


def test_no_other_room_parses_an_expression_again() -> None:
    package = Path(graphssl.__file__).parent
    rooms = {p.relative_to(package).parts[0] for p in package.rglob("*.py") if "language.parse" in p.read_text()}
    assert rooms == {"graph"}


def test_an_option_that_came_later_leaves_the_hash_of_older_runs(write: Write) -> None:
    hashes = {
        more: read(write, MOCO, *BANK, ("sample: 12", f"sample: 12{more}")).hash()
        for more in ("", ", shard: none", ", shard: rows")
    }
    assert hashes[""] == hashes[", shard: none"] != hashes[", shard: rows"]
