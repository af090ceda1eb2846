"""Memory that runs out on a CPU: told as on a GPU, with the node, what the step should need and what is free."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from graphssl.errors import RunError, ran_out
from graphssl.train.failures import enough_memory

PROGRAM = """
import resource, sys
import torch, graphssl, graphssl.runs.session, mlflow, sklearn.datasets
graphssl.check("simclr")
room = float(sys.argv[1]) * 2**30
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (int(taken + room),) * 2)
sets = {"train.steps": 1, "train.precision": "fp32", "evaluate": {"knn": None, "linear": None}, **eval(sys.argv[2])}
try:
    graphssl.run("simclr", sets, device="cpu", report=lambda text: None)
except graphssl.RunError as error:
    print(error)
"""


def told(folder: Path, room: float, sets: str) -> str:
    """What a run says that may take so many GiB more than it has when it begins."""
    command = [sys.executable, "-c", PROGRAM, str(room), sets]
    where = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=where, capture_output=True, text=True, check=True, timeout=200)
    return done.stdout


@pytest.mark.slow
def test_a_step(tmp_path: Path) -> None:
    said = told(tmp_path, 2, '{"data.batch": 1024, "nodes.encoder.width": 256}')
    words = r"a step with a batch of 1024 does not fit the memory of cpu, at '\w+' \(.*allocate \d+ bytes.*\)\. "
    assert re.search(
        words + r"It should need about [\d.]+ GiB at batch 1,024 in fp32 .* are free now\. A smaller", said
    )


@pytest.mark.slow
def test_the_building_of_nodes(tmp_path: Path) -> None:
    said = told(tmp_path, 2, '{"nodes.projector.hidden": 60000, "nodes.projector.out": 60000}')
    assert re.search(r"memory has run out as the nodes were built \(.*allocate 14400000000 bytes", said)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_each_way_to_run_out(error: Exception) -> None:
    assert ran_out(error)
    words = r"^memory has run out in the evaluation \(.*\); .* GiB are free now\. Less\.$"
    with pytest.raises(RunError, match=words), enough_memory("in the evaluation", "Less."):
        raise error


def test_what_is_told_already_and_all_else_stay_as_they_are() -> None:
    for error in (RunError("can't allocate memory"), ValueError("memory"), KeyError("k")):
        assert not ran_out(error)
        with pytest.raises(type(error)), enough_memory("here", ""):
            raise error
