"""A study that Slurm runs: what is submitted, what each job of the array does. Slurm's commands are stand-ins."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_runs import DRIVER, PYTHON, say, trained

import graphssl
from graphssl.errors import GraphError, RunError
from graphssl.runs.study import slurm
from graphssl.runs.study.template import Template

TEMPERATURE = "nodes.critic.temperature"
SBATCH = """\
#!/bin/sh
[ -f refused ] && { echo "sbatch: error: invalid partition specified: $(cat refused)" >&2; exit 1; }
cp "$1" submitted.sh
echo "Submitted batch job 4711"
"""
SRUN = """\
#!/bin/sh
while [ "${1#--}" != "$1" ]; do
  case "$1" in --output|--error) shift 2;; *) shift;; esac
done
exec "$@"
"""
SQUEUE = """\
#!/bin/sh
[ -f queue ] && cat queue
exit 0
"""
SCONTROL = """\
#!/bin/sh
echo "$@" >> scontrol.log
"""


@pytest.fixture
def cluster(fake: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of fake runs, where Slurm's commands are there, and a template of jobs."""
    commands = fake / "bin"
    commands.mkdir()
    for name, text in {"sbatch": SBATCH, "srun": SRUN, "squeue": SQUEUE, "scontrol": SCONTROL}.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    (fake / "slurm.yaml").write_text("partition: gpu\ngpus_per_node: 1\ntime: 4:00:00\narray: 2\njobs: 1\n")
    return fake


def sweep(vary: Any = None, **options: Any) -> tuple[Any, list[str]]:
    lines: list[str] = []
    vary = {TEMPERATURE: [0.1, 0.2, 0.3]} if vary is None else vary
    return graphssl.sweep("graph.yaml", vary, name="s", device="cpu", report=lines.append, **options), lines


def job(folder: Path, index: int) -> subprocess.Popen[str]:
    """One of the array, as Slurm starts it. Its runs are fake."""
    script = (folder / "submitted.sh").read_text().replace(sys.executable, PYTHON)
    environment = {
        **os.environ, "SLURM_JOB_ID": str(4711 + index), "SLURM_ARRAY_JOB_ID": "4711",
        "SLURM_ARRAY_TASK_ID": str(index), "SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1",
    }  # fmt: skip
    return subprocess.Popen(
        ["bash", "-c", script], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture
def submitted(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """submitted(): gives a study to Slurm, whose jobs join it with fake runs; what was said."""
    (cluster / "driver.py").write_text(DRIVER)
    (cluster / "python").write_text(f'#!/bin/sh\nshift 2\nexec {PYTHON} driver.py {cluster}/fake_python "$@"\n')
    (cluster / "python").chmod(0o755)

    def submit(**options: Any) -> list[str]:
        monkeypatch.setattr(slurm, "INTERPRETER", str(cluster / "python"))
        done, lines = sweep(slurm="slurm.yaml", **options)
        assert done.code == 0
        return lines

    return submit


def test_an_array_is_submitted_and_not_waited_for(cluster: Path) -> None:
    done, lines = sweep(slurm="slurm.yaml", seeds=[0, 1])
    assert any(
        line.startswith("submitted 4711, an array of 6 tasks for 6 runs: logs are in studies/s/slurm/")
        for line in lines
    )
    script = (cluster / "submitted.sh").read_text()
    for line in ("partition=gpu", "gpus-per-node=1", "time=240", "array=0-5%2", "job-name=s"):
        assert f"#SBATCH --{line}\n" in script
    assert (done.outcome.count("waiting"), trained(cluster)) == (6, [])


@pytest.mark.slow
def test_its_jobs_run_the_study(cluster: Path, submitted: Callable[..., list[str]]) -> None:
    submitted()
    jobs = [job(cluster, index) for index in range(3)]
    said = [each.communicate(timeout=300)[0] for each in jobs]
    assert [each.returncode for each in jobs] == [0, 0, 0], said
    assert sorted(trained(cluster)) == sorted(set(trained(cluster)))
    assert len(trained(cluster)) == 3
    done, lines = sweep(slurm="slurm.yaml")
    assert "nothing is submitted: no run waits" in lines
    assert [round(row.spread.mean, 2) for row in done.outcome.rows] == [0.9, 0.8, 0.7]


@pytest.mark.slow
def test_a_job_whose_time_is_up_goes_into_the_queue_again(
    cluster: Path, submitted: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    say(cluster, epochs=3, until="on")
    submitted(vary={TEMPERATURE: [0.1, 0.2]})
    first = job(cluster, 0)
    end = time.monotonic() + 200
    while not trained(cluster) and first.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    part = next(int(p) for p in children(first.pid) if b"submitit" in Path(f"/proc/{p}/cmdline").read_bytes())
    os.kill(part, signal.SIGUSR2)
    said, _ = first.communicate(timeout=200)
    assert (cluster / "scontrol.log").read_text() == "requeue 4711_0\n", said
    assert len(trained(cluster)) == 1
    (cluster / "on").touch()
    again = job(cluster, 0)
    said, _ = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert len(trained(cluster)) == len(set(trained(cluster))) == 6, "a half-trained run goes on"


def children(pid: int) -> list[str]:
    """All processes under one, itself among them."""
    found, index = [str(pid)], 0
    while index < len(found):
        found += Path(f"/proc/{found[index]}/task/{found[index]}/children").read_text().split()
        index += 1
    return found


def test_what_is_in_the_queue_is_not_submitted_again(cluster: Path) -> None:
    sweep(slurm="slurm.yaml")
    (cluster / "submitted.sh").unlink()
    (cluster / "queue").write_text("4711\n")
    _, lines = sweep(slurm="slurm.yaml")
    assert any("3 wait, and Slurm still has 4711" in line for line in lines)
    assert not (cluster / "submitted.sh").exists()
    (cluster / "queue").unlink()
    sweep(slurm="slurm.yaml")
    assert (cluster / "submitted.sh").exists(), "its jobs are gone, by a limit of the cluster, say"


def test_slurm_s_refusal_is_told(cluster: Path) -> None:
    (cluster / "refused").write_text("gpu")
    with pytest.raises(RunError, match=r"Slurm did not take the jobs: .*invalid partition specified: gpu"):
        sweep(slurm="slurm.yaml")
    (cluster / "refused").unlink()
    _, lines = sweep(slurm="slurm.yaml")
    assert any(line.startswith("submitted 4711") for line in lines)


def test_an_ablation_is_joined_by_its_name(cluster: Path) -> None:
    done = graphssl.ablate("graph.yaml", ["projector"], name="a", device="cpu", slurm="slurm.yaml", report=print)
    assert done.outcome.count("waiting") == len(done.outcome.rows) == 2
    joined = graphssl.sweep("a", join=True, device="cpu", jobs=1, report=print)
    assert (joined.outcome.count("complete"), joined.outcome.base) == (2, "as it is")
    assert [dict(row.labels) for row in joined.outcome.rows] == [dict(row.labels) for row in done.outcome.rows]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("partion: gpu\n", "no key is called 'partion' here"),
        ("time: tomorrow\n", "a time is a number of minutes"),
        ("tasks: 0\n", "slurm.yaml:1"),
        ("jobs: many\n", "1 or more, or auto"),
    ],
)  # fmt: skip
def test_a_template_that_is_wrong(cluster: Path, text: str, match: str) -> None:
    (cluster / "slurm.yaml").write_text(text)
    with pytest.raises(GraphError, match=match):
        sweep(slurm="slurm.yaml")
    assert not (cluster / "studies").exists()


def test_where_no_slurm_is(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fake / "slurm.yaml").write_text("partition: gpu\n")
    monkeypatch.setenv("PATH", str(fake / "nowhere"))
    with pytest.raises(
        RunError, match="sbatch and srun cannot be found: jobs are submitted where Slurm's commands are"
    ):
        sweep(slurm="slurm.yaml")
    assert not (fake / "studies").exists()


@pytest.mark.parametrize(
    ("said", "minutes"),
    [(90, 90), ("90:30", 90), ("4:00:00", 240), ("2-12", None), ("2-12:30", 3630), ("1-0:00:00", 1440)],
)
def test_times_are_sbatch_s(said: Any, minutes: int | None) -> None:
    if minutes is None:
        with pytest.raises(ValueError, match="a time is a number of minutes"):
            Template(time=said)
    else:
        assert Template(time=said).time == minutes


def test_other_options_of_sbatch(cluster: Path) -> None:
    (cluster / "slurm.yaml").write_text("sbatch: {mail-type: END}\nsetup: [module load cuda]\ntasks: 1\n")
    _, lines = sweep(slurm="slurm.yaml")
    assert any(line.startswith("submitted 4711, a job for 3 runs") for line in lines)
    script = (cluster / "submitted.sh").read_text()
    assert "#SBATCH --mail-type=END\n" in script
    assert "\nmodule load cuda\n" in script
    assert "--array" not in script
    assert json.loads(json.dumps(Template(tasks=1).parameters()))["time"] == 60
