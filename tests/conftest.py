"""Graphs for tests: written to a temporary folder from their text, with small changes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

if "PYTEST_XDIST_WORKER" in os.environ:  # a core each, before torch asks
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

from graphssl.component import REGISTRY
from graphssl.errors import GraphError, Problems
from graphssl.graph.spec.datasets import DATA_SETS

SIMCLR = """\
graph: simclr
data: {use: digits, batch: 16}
nodes:
  augment:   {use: augment.simclr, flip: 0, blur: 0}
  encoder:   {use: encoder.resnet, depth: 10, width: 8}
  projector: {use: head.mlp, hidden: 16, out: 8}
  others:    {use: negatives.in_batch}
  critic:    {use: critic.cosine, temperature: 0.2}
  objective: {use: objective.infonce}
flow:
  x: augment(batch.image)
  z: projector(encoder(x, views=fold))
  s: critic(z, z, others(z), pairs=cross)
loss:
  ntxent: objective(s)
train: {epochs: 2, optimizer: {use: sgd, lr: 0.05}}
evaluate: {features: encoder, knn: {k: 5, every: 1}}
"""

BYOL = """\
graph: byol
data: {use: digits, batch: 16}
nodes:
  augment:   {use: augment.byol, flip: 0, blur: 0, solarize: 0}
  encoder:   {use: encoder.resnet, depth: 10, width: 8}
  projector: {use: head.mlp, hidden: 16, out: 8}
  predictor: {use: head.mlp, hidden: 16, out: 8}
  target:    {use: target.ema, of: [encoder, projector], momentum: {from: 0.9, to: 1.0}}
  critic:    {use: critic.cosine}
  objective: {use: objective.regression}
flow:
  x: augment(batch.image)
  p: predictor(projector(encoder(x)))
  z: target(x)
  s: critic(p, z, pairs=cross)
loss:
  byol: objective(s)
update:
  target: follow()
train: {epochs: 2, optimizer: {use: adamw, lr: 1e-3}}
evaluate: {features: encoder, knn: {k: 5, every: 1}}
"""

MOCO = """\
graph: moco
data: {use: digits, batch: 16}
nodes:
  augment:   {use: augment.moco_v2, flip: 0, blur: 0}
  encoder:   {use: encoder.resnet, depth: 10, width: 8, norm: {use: split_batch, splits: 4}}
  projector: {use: head.mlp, hidden: 16, out: 8, norm: none}
  target:    {use: target.ema, of: [encoder, projector], momentum: 0.99}
  queue:     {use: negatives.queue, size: 48}
  critic:    {use: critic.cosine, temperature: 0.2}
  objective: {use: objective.infonce}
flow:
  x: augment(batch.image)
  q: projector(encoder(x[0]))
  k: target(x[1])
  s: critic(q, k, queue())
loss:
  infonce: objective(s)
update:
  target: follow()
  queue: push(k)
train: {epochs: 2, optimizer: {use: sgd, lr: 0.05}}
evaluate: {features: encoder, knn: {k: 5, every: 1}}
"""

Write = Callable[..., Path]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """All tests on up to 8 cores; a file or two are sooner done in this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 8) if config.args_source is config.ArgsSource.TESTPATHS else 0


def pytest_configure() -> None:
    """A shell's background job, as CI may be, ignores Ctrl-C and hands that on: the tests start as on a terminal."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `gpu` are skipped where there is no CUDA device, and have it to themselves where there is one."""
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.xdist_group("gpu"))
            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(autouse=True)
def a_test_draws_the_same_each_time(request: pytest.FixtureRequest) -> None:
    """Whichever have run before it: what it draws without a seed of its own."""
    torch.manual_seed(crc32(request.node.name.encode()))


@pytest.fixture(autouse=True)
def options_of_a_process_do_not_stay() -> Iterator[None]:
    """Those that a command sets in the environment, for the processes that it starts."""
    before = dict(os.environ)
    yield
    for name in [name for name in os.environ if name.startswith("GRAPHSSL_")]:
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if name.startswith("GRAPHSSL_")})


@pytest.fixture(autouse=True)
def own_components_do_not_stay() -> Iterator[None]:
    """A user's component or data set that a test loads is gone after it: other tests go through all components that there are."""
    before, sets = set(REGISTRY), dict(DATA_SETS)
    yield
    for name in set(DATA_SETS) - set(sets):
        del DATA_SETS[name]
    for name in set(REGISTRY) - before:
        if not REGISTRY[name].cls.__module__.startswith("graphssl.components"):
            del REGISTRY[name]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write(text, (old, new), ...): the path of a graph file with each `old` replaced, which must be there."""

    def make(text: str, *changes: tuple[str, str], name: str = "graph.yaml") -> Path:
        for old, new in changes:
            assert old in text, f"'{old}' is not in the graph"
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text)
        return path

    return make


def strict(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is handed a collector as its last argument, as one that raises what it notes there."""

    def call(*args: object) -> Any:
        problems = Problems()
        result = function(*args, problems)
        problems.stop()
        return result

    return call


def problems_of(function: Callable[..., object], *args: object) -> list[str]:
    """The messages of the GraphError that a call raises, rendered."""
    with pytest.raises(GraphError) as caught:
        function(*args)
    return [p.render() for p in caught.value.problems]
