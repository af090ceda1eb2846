"""`batch: auto`: what is taken, what is said of it, and that all that follows sees the number."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write, problems_of
from helpers import CPU, CUDA

from graphssl.checks.checked import Checked, check, validated
from graphssl.checks.inference import infer
from graphssl.component import DataFacts
from graphssl.errors import RunError
from graphssl.graph.read import load
from graphssl.program.cost import predict
from graphssl.runs import batch_size
from graphssl.runs.batch_size import fit_batch
from graphssl.runs.steps import take_steps
from graphssl.train.precision import resolve
from graphssl.train.step import Step
from graphssl.world import World

AUTO = ("batch: 16", "batch: auto")
QUICK = SIMCLR.replace("encoder.resnet, depth: 10, width: 8", "encoder.vit, patch: 16, dim: 16, depth: 1, heads: 1")
MANY = DataFacts(samples=1_000_000)


def taken(checked: Checked, device: torch.device = CPU) -> tuple[Checked, list[str]]:
    said: list[str] = []
    return fit_batch(checked, device, resolve("fp32", device), said.append), said


def memory(checked: Checked, batch: int) -> int:
    graph = checked.graph.with_batch(batch)
    return predict(graph, infer(graph, checked.data, batch), CPU).memory


def free(monkeypatch: pytest.MonkeyPatch, count: float) -> None:
    """So many bytes may be taken."""
    monkeypatch.setattr(batch_size, "free_memory", lambda: int(count / batch_size.STEP_SHARE_OF_MEMORY))


def test_a_number_stays(write: Write) -> None:
    checked = check(write(QUICK))
    same, said = taken(checked)
    assert same is checked
    assert said == []


def test_until_a_run_it_stands_for_256(write: Write) -> None:
    checked = check(write(QUICK, AUTO))
    assert checked.graph.spec.data.batch == checked.shapes.batch == 256
    assert checked.graph.asks_for_batch
    assert not check(write(QUICK)).graph.asks_for_batch


def test_until_a_run_it_is_no_more_than_an_epoch_has(write: Write) -> None:
    path = write(QUICK, AUTO, ("optimizer:", "accumulate: 3, optimizer:"))
    assert validated(path, DataFacts(samples=100)).shapes.batch == 33


def test_the_largest_multiple_of_32_that_fits(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = check(write(QUICK, AUTO))
    free(monkeypatch, memory(checked, 160) + 1)
    fixed, said = taken(checked)
    assert fixed.graph.spec.data.batch == fixed.shapes.batch == 160
    assert memory(checked, 192) > memory(checked, 160) + 1
    (line,) = said
    assert line.startswith("batch auto: 160, the largest multiple of 32 that fits ")
    assert line.endswith(" GiB, the share of the free memory that is taken")


@pytest.mark.parametrize("room", [1.0, 0.999], ids=["fits", "one less"])
def test_below_32_a_power_of_two(write: Write, monkeypatch: pytest.MonkeyPatch, room: float) -> None:
    checked = check(write(QUICK, AUTO))
    free(monkeypatch, memory(checked, 8) * room)
    fixed, said = taken(checked)
    assert fixed.shapes.batch == (8 if room == 1 else 4)
    assert "the largest power of two that fits" in said[0]


def test_on_a_cpu_there_is_a_limit(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 2**50)
    fixed, said = taken(validated(write(QUICK, AUTO), MANY))
    assert fixed.shapes.batch == 512
    assert said == ["batch auto: 512, the most that is taken on a CPU"]


def test_no_more_than_an_epoch_has(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 2**50)
    path = write(QUICK, AUTO, ("optimizer:", "accumulate: 2, optimizer:"))
    fixed, said = taken(validated(path, DataFacts(samples=250)))
    assert fixed.shapes.batch == 96  # 250 // 2, down to a multiple of 32
    assert said == ["batch auto: 96, as many as an epoch of 250 samples has"]


def test_what_a_rule_refuses_is_not_taken(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 288 of 289 samples leave one, which has no in-batch negatives; batches of 256 leave 33."""
    free(monkeypatch, 2**50)
    path = write(QUICK, ("batch: 16", "batch: auto, last: keep"))
    fixed, said = taken(validated(path, DataFacts(samples=289)))
    assert fixed.shapes.batch == 256
    assert said == ["batch auto: 256, as many as an epoch of 289 samples has; the rules refuse 288"]


def test_where_every_size_is_refused_the_first_refusal_is_told(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 2**50)
    text = QUICK.replace("batch: 16", "batch: auto, last: keep")
    checked = validated(write(text), DataFacts(samples=64))  # 65 leave one for every power of two
    checked = dataclasses.replace(checked, data=DataFacts(samples=65))
    (found,) = problems_of(taken, checked)
    assert "the last batch of an epoch has 1 of 64 samples" in found


def test_nothing_fits(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = check(write(QUICK, AUTO))
    free(monkeypatch, 1000)
    with pytest.raises(
        RunError, match=r"data\.batch is auto, and not even 2 fits: a step needs \d\.\d GiB, and 0\.0 GiB may be taken"
    ):
        taken(checked)


def test_the_run_has_the_number(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """In what is written, logged and hashed; another number is another hash."""
    checked = check(write(QUICK, AUTO))
    free(monkeypatch, memory(checked, 64) + 1)
    fixed, _ = taken(checked)
    assert fixed.graph.resolved()["data"]["batch"] == 64
    assert fixed.graph.hash() == load(write(QUICK, ("batch: 16", "batch: 64"))).hash() != checked.graph.hash()


def test_rules_see_the_number(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue of 48 is no multiple of 32."""
    checked = validated(write(MOCO, AUTO, ("size: 48", "size: 256")), MANY)
    assert "G302" not in {p.code for p in checked.warnings}
    free(monkeypatch, memory(checked, 96) + 1)
    fixed, _ = taken(checked)
    assert fixed.shapes.batch == 96
    assert "G302" in {p.code for p in fixed.warnings}


def several(monkeypatch: pytest.MonkeyPatch, processes: int, *others: object) -> None:
    """So many processes on one machine, this one the first, of which others have found something else."""
    monkeypatch.setattr(batch_size, "current", lambda: World(0, processes, 0, processes))
    monkeypatch.setattr(batch_size, "of_all", lambda own: [own] * (processes - len(others)) + list(others))


def test_several_processes_take_as_many_times_what_fits_each(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = validated(write(QUICK, AUTO), MANY)
    several(monkeypatch, 3)
    free(monkeypatch, 3 * (memory(checked, 64) + 1))
    fixed, (line,) = taken(checked)
    assert fixed.graph.spec.data.batch == fixed.shapes.batch == fixed.graph.resolved()["data"]["batch"] == 192
    assert line.startswith("batch auto: 192, 64 in each of 3 processes, the largest multiple of 32 that fits ")


def test_the_limits_are_of_the_batch_of_all(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 2**50)
    several(monkeypatch, 4)
    assert taken(validated(write(QUICK, AUTO), MANY))[1] == [
        "batch auto: 512, 128 in each of 4 processes, the most that is taken on a CPU"
    ]
    fixed, said = taken(validated(write(QUICK, AUTO), DataFacts(samples=250)))
    assert said == ["batch auto: 128, 32 in each of 4 processes, as many as an epoch of 250 samples has"]
    several(monkeypatch, 3)
    path = write(QUICK, ("batch: 16", "batch: auto, last: keep"))
    fixed, said = taken(validated(path, DataFacts(samples=289)))
    assert (fixed.shapes.batch, said) == (
        192, ["batch auto: 192, 64 in each of 3 processes, as many as an epoch of 289 samples has; the rules refuse 288"]
    )  # fmt: skip


def test_all_take_what_fits_the_smallest(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = validated(write(QUICK, AUTO), MANY)
    free(monkeypatch, 2**50)
    several(monkeypatch, 2, (96, 3 * 2**30))
    fixed, said = taken(checked)
    reason = "the largest multiple of 32 that fits 3.0 GiB, the share of the free memory that is taken"
    assert (fixed.shapes.batch, said) == (192, [f"batch auto: 192, 96 in each of 2 processes, {reason}"])


def test_what_one_process_cannot_all_refuse(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its message, once what the others find has been heard."""
    free(monkeypatch, 2**50)
    several(monkeypatch, 2, RunError("data.batch is auto, and not even 1 fits the memory of cuda:1"))
    with pytest.raises(RunError, match="not even 1 fits the memory of cuda:1"):
        taken(validated(write(QUICK, AUTO), MANY))


def test_other_words_are_refused(write: Write) -> None:
    (found,) = problems_of(check, write(BYOL, ("batch: 16", "batch: atuo")))
    assert "'batch' is 'atuo'; it should be a whole number, or auto" in found


def test_on_a_device_steps_decide(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a device of which steps say more, or less, than the prediction: 3 MiB a sample, of 1,000."""
    checked, asked = validated(write(QUICK, AUTO), MANY), list[int]()

    def peak(_checked: Checked, _device: object, _precision: object, batch: int) -> int | None:
        asked.append(batch)
        return None if batch > 400 else 3 * batch

    monkeypatch.setattr(batch_size, "_peak", peak)
    precision = resolve("fp32", CPU)
    assert batch_size._tried(checked, CPU, precision, 1000, 512, 10_000) == 320  # 333 down to a multiple of 32
    assert asked[0] == 512
    assert batch_size._tried(checked, CPU, precision, 1000, 64, 10_000) == 320
    assert batch_size._tried(checked, CPU, precision, 1000, 64, 128) == 128
    assert batch_size._tried(checked, CPU, precision, 10_000, 512, 10_000) <= 400
    monkeypatch.setattr(batch_size, "_peak", lambda *_: None)
    with pytest.raises(RunError, match="not even 1 fits the memory of cpu"):
        batch_size._tried(checked, CPU, precision, 1000, 64, 10_000)


def test_steps_with_random_pictures_run(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the batch that they are given, and nothing of the graph's own changes."""
    checked = check(write(MOCO, AUTO, ("size: 48", "size: 256")))
    seen = list[int]()
    monkeypatch.setattr(Step, "__call__", lambda _, t, batches: seen.append(len(batches[0].image)))
    assert all(seconds >= 0 for seconds in take_steps(checked, CPU, resolve("fp32", CPU), 16, 2))
    assert seen == [16, 16]
    monkeypatch.undo()
    assert all(seconds >= 0 for seconds in take_steps(checked, CPU, resolve("fp32", CPU), 16, 2))


@pytest.mark.gpu
def test_on_a_gpu_it_runs_and_leaves_nothing_behind(write: Write) -> None:
    before = torch.cuda.memory_allocated()
    fixed, said = taken(
        validated(write(BYOL, AUTO, ("depth: 10, width: 8", "depth: 18")), DataFacts(samples=50_000)), CUDA
    )
    assert fixed.shapes.batch % 32 == 0
    assert said[0].startswith(f"batch auto: {fixed.shapes.batch}, ")
    assert torch.cuda.memory_allocated() == before
    batch_size._take_steps(fixed, CUDA, resolve("fp32", CUDA), fixed.shapes.batch)
