"""Whether anything grows while a run goes on: memory, handles, threads, and the time of a step.

    python benchmarks/soak.py [--graph moco_v2] [--minutes 60]

One run, as a user starts it: pictures in files that a worker reads, logged at each tenth step to a SQLite store,
evaluated and monitored after each epoch, a checkpoint at every 50th step. It is looked at from outside, and in the end
told to stop. MiB, handles and threads are of the process and the worker together, at that moment. ms a step is time of
processors, and not of the clock, as other programs may run beside it; evaluations and checkpoints are in it. The last
lines hold the last quarter against the second: the first fills caches.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from common import arguments, machine, publish, table
from PIL import Image

PICTURES, SIDE, BATCH = 512, 48, 32
TICKS = os.sysconf("SC_CLK_TCK")
STOPPED = 75  # the exit code of a run that was told to


@dataclass(frozen=True)
class Sample:
    """At one moment. seconds: since the first step. work: of processors, in seconds."""

    seconds: float
    step: int
    mib: float
    handles: int
    threads: int
    work: float


def family(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += family(int(child))
    return found


def look(pid: int, began: float, log: Path) -> Sample:
    mib, handles, threads, work = 0.0, 0, 0, 0.0
    for each in family(pid):
        with contextlib.suppress(OSError, ValueError):
            status = dict(line.split(":", 1) for line in Path(f"/proc/{each}/status").read_text().splitlines())
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            mib += int(status["VmRSS"].split()[0]) / 1024
            threads += int(status["Threads"])
            work += (int(fields[11]) + int(fields[12])) / TICKS
            handles += len(os.listdir(f"/proc/{each}/fd"))
    steps = re.findall(r"step=(\d+)", log.read_text())
    return Sample(time.monotonic() - began, int(steps[-1]) if steps else 0, mib, handles, threads, work)


def write_pictures(folder: Path) -> None:
    """Noise in three classes."""
    generator = torch.Generator().manual_seed(0)
    for i in range(PICTURES):
        pixels = torch.randint(0, 256, (SIDE, SIDE, 3), generator=generator, dtype=torch.uint8)
        path = folder / f"class{i % 3}" / f"{i:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.numpy()).save(path)


def refuse_ended(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        raise SystemExit(f"the run has ended: {log.read_text()[-2000:]}")


def wait_for_a_step(process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the training has begun: what starts up grows, however long it takes on a machine that is busy."""
    while "step=" not in log.read_text():
        refuse_ended(process, log)
        time.sleep(0.1)


def soak(graph: str, minutes: float, threads: int) -> list[Sample]:
    """Samples of one run, 48 of them, evenly in time, from its first step on."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder, log = Path(name), Path(name, "log.txt")
        write_pictures(folder / "pictures")
        data = f"data={{use: image_folder, root: pictures, size: 32, batch: {BATCH}, workers: 1, resident: workers}}"
        sets = [data, "train.epochs=1000000", "train.log_every=10", "train.checkpoint={steps: 50, keep: 2}"]
        sets += ["train.schedule={shape: constant, warmup: 0}", "train.compile=off"]
        env = {**os.environ, "OMP_NUM_THREADS": str(threads), "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
        command = [sys.executable, "-m", "graphssl", "run", graph, "--device", "cpu", *(f"--set={s}" for s in sets)]
        with log.open("w") as file:
            process = subprocess.Popen(command, cwd=folder, env=env, stdout=file, stderr=subprocess.STDOUT)
            samples = list[Sample]()
            try:
                wait_for_a_step(process, log)
                began = time.monotonic()
                for i in range(1, 49):
                    time.sleep(max(began + i * minutes * 60 / 48 - time.monotonic(), 0))
                    refuse_ended(process, log)
                    samples.append(look(process.pid, began, log))
            finally:
                process.send_signal(signal.SIGTERM)
                code = process.wait(timeout=300)
        assert code == STOPPED, log.read_text()[-2000:]
    return samples


def text_of(samples: list[Sample]) -> str:
    rows = [["minutes", "steps", "MiB", "handles", "threads", "ms a step"]]
    for before, now in zip(samples[3::4], samples[7::4], strict=False):
        numbers = (now.step, f"{now.mib:.0f}", now.handles, now.threads, f"{_ms(before, now):.2f}")
        rows.append([f"{now.seconds / 60:.1f}", *map(str, numbers)])
    second, last = samples[12:24], samples[36:48]
    lines = [
        f"{what}, last quarter over the second: {statistics.mean(of(last)) / statistics.mean(of(second)):.3f}"
        for what, of in (
            ("MiB", lambda part: [s.mib for s in part]), ("handles", lambda part: [s.handles for s in part]),
            ("threads", lambda part: [s.threads for s in part]), ("ms a step", lambda part: [_ms(part[0], part[-1])]),
        )
    ]  # fmt: skip
    return table(rows) + "\n\n" + "\n".join(lines)


def _ms(before: Sample, now: Sample) -> float:
    return 1000 * (now.work - before.work) / max(now.step - before.step, 1)


def main() -> None:
    parser = arguments(__doc__, device=False)
    parser.add_argument("--graph", default="moco_v2")
    parser.add_argument("--minutes", type=float, default=60.0)
    args = parser.parse_args()
    publish(f"{machine()}\n{args.graph}\n\n{text_of(soak(args.graph, args.minutes, args.threads))}\n", args.output)


if __name__ == "__main__":
    main()
