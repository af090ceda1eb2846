"""What is left of runs after faults: whether they go on to the same weights, and whether MLflow has each point once.

    python benchmarks/faults.py [--times 10] [--faults kill write server_down ...] [--seed 0]

Each fault is put into runs of small graphs, as often as is said, at moments that are drawn. What is left is resumed
until it has finished, as a user would, and compared with a run of the same graph that nothing has happened to: all
tensors of the last checkpoint, bit by bit, and every point of every metric in MLflow. `mlflow server` is the real one.

identical: runs whose weights, states and optimizer are those of the undisturbed run. once: runs with every point once.
lost: points that MLflow does not have in the end, of all runs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from common import arguments, machine, positive, publish, table
from flaky import Proxy, Server
from lab import FILES, GRAPHS, PATIENCE, Lab, Outcome
from PIL import Image

HERE = Path(__file__).parent


# -- faults: each begins a run, disturbs it, and gives its name ------------------------------------------------------


def kill(lab: Lab, graph: str) -> str:
    """kill -9 at any moment"""
    name, process = lab.begin(graph)
    time.sleep(lab.draw.uniform(0.2, 1.0) * lab.whole[graph])
    process.kill()
    lab.wait(process)
    return name


def write(lab: Lab, graph: str) -> str:
    """kill -9 inside a checkpoint's write"""
    which, share = lab.draw.randint(1, 4), lab.draw.choice([lab.draw.uniform(0, 1), 1.5, 2.5])
    name, process = lab.begin(graph, before=(str(HERE / "torn.py"), str(which), f"{share:.3f}"))
    lab.wait(process)
    return name


def again(lab: Lab, graph: str) -> str:
    """kill -9, and again while it is resumed"""
    name = kill(lab, graph)
    if (lab.folder / "runs" / name).is_dir():
        process = lab.start("run", "--resume", name)
        time.sleep(lab.draw.uniform(0.3, 0.8) * lab.whole[graph])
        process.kill()
        lab.wait(process)
    return name


def terminate(lab: Lab, graph: str) -> str:
    """SIGTERM, SIGHUP or SIGINT at any moment"""
    name, process = lab.begin(graph)
    time.sleep(lab.draw.uniform(0.2, 1.0) * lab.whole[graph])
    process.send_signal(lab.draw.choice([signal.SIGTERM, signal.SIGHUP, signal.SIGINT]))
    lab.wait(process)
    return name


def workers(lab: Lab, graph: str) -> str:
    """kill -9 of a process that reads pictures"""
    name, process = lab.begin(FILES)
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        if children := _children(process.pid):
            time.sleep(lab.draw.uniform(0.1, 2.0))
            with contextlib.suppress(ProcessLookupError):
                os.kill(lab.draw.choice(children), signal.SIGKILL)
            break
        time.sleep(0.05)
    lab.wait(process)
    return name


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()][-2:]
    return []


def disk(lab: Lab, graph: str) -> str:
    """no room for a file beyond some size"""
    limit = lab.draw.randint(50, 1200)  # KiB, less than a checkpoint has
    code = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit * 1024}, -1)); "
        "sys.argv[0] = 'graphssl'; from graphssl.cli import main; main()"
    )
    name, process = lab.begin(graph, before=("-c", code))
    lab.wait(process)
    return name


def twice(lab: Lab, graph: str) -> str:
    """two processes on one run"""
    name, process = lab.begin(graph)
    while process.poll() is None and not (lab.folder / "runs" / name / "checkpoints").is_dir():
        time.sleep(0.05)
    lab.wait(lab.start("run", "--resume", name))
    lab.wait(process)
    return name


def server_down(lab: Lab, graph: str) -> str:
    """the server is killed, and is back after the run"""
    name, process = lab.begin(graph)
    time.sleep(lab.draw.uniform(0.3, 0.9) * lab.whole[graph])
    lab.server.kill()
    lab.wait(process)
    lab.server.start()
    lab.wait(lab.start("track", name))
    return name


def server_late(lab: Lab, graph: str) -> str:
    """the server is not there at the start, and is in the middle"""
    proxy = Proxy(lab.server)
    name, process = lab.begin(graph, uri=proxy.uri)
    time.sleep(lab.draw.uniform(0.3, 0.7) * lab.whole[graph])
    with proxy.running():
        lab.wait(process)
    return name


def server_slow(lab: Lab, graph: str) -> str:
    """each request to the server waits for a second"""
    return _through(lab, graph, Proxy(lab.server, delay=1.0))


def server_500(lab: Lab, graph: str) -> str:
    """of two requests to the server one is answered 500"""
    return _through(lab, graph, Proxy(lab.server, fails=2))


def _through(lab: Lab, graph: str, proxy: Proxy) -> str:
    with proxy.running():
        name, process = lab.begin(graph, uri=proxy.uri)
        lab.wait(process)
    return name


FAULTS: dict[str, Callable[[Lab, str], str]] = {
    fault.__name__: fault
    for fault in (
        kill,
        write,
        again,
        terminate,
        workers,
        disk,
        twice,
        server_down,
        server_late,
        server_slow,
        server_500,
    )
}


# -- the table -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def lab_of(args: argparse.Namespace) -> Iterator[Lab]:
    with tempfile.TemporaryDirectory(prefix="faults-") as name, Server(Path(name)).running() as server:
        lab = Lab(Path(name), server, args.steps, args.threads, random.Random(args.seed))
        (lab.folder / "pictures").mkdir()
        for i in range(120):
            Image.new("RGB", (48, 48), (2 * i, 255 - 2 * i, i)).save(lab.folder / "pictures" / f"{i:03}.png")
        yield lab


def measure(lab: Lab, fault: str, times: int) -> Outcome:
    """One row: the fault put into so many runs, of the graphs in turn."""
    outcome = Outcome()
    for i in range(times):
        graph = FILES if fault == "workers" else list(GRAPHS)[i % len(GRAPHS)]
        whole = _undisturbed(lab, graph)
        name = FAULTS[fault](lab, graph)
        outcome.injected += 1
        lab.finish(graph, name, outcome)
        lab.look(name, whole, outcome)
    return outcome


def _undisturbed(lab: Lab, graph: str) -> str:
    """The name of a run of that graph that nothing has happened to."""
    name = f"{graph}-whole"
    if graph not in lab.whole:
        began = time.monotonic()
        said = lab.wait(lab.start(*lab.words(graph), "--name", name))
        lab.whole[graph] = time.monotonic() - began
        assert "finished after" in said, said
    return name


def main() -> None:
    parser = arguments(__doc__, device=False)
    parser.add_argument("--times", type=positive, default=10, help="of each fault")
    parser.add_argument("--steps", type=positive, default=24, help="optimizer steps of a run")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rows = [["fault", "injected", "resumed", "identical", "once", "lost"]]
    with lab_of(args) as lab:
        for name in args.faults:
            found = measure(lab, name, args.times)
            numbers = (found.injected, found.resumed, found.identical, found.once, found.lost)
            rows.append([str(FAULTS[name].__doc__), *map(str, numbers)])
            print(*rows[-1], sep=", ", file=sys.stderr)
            for line in dict.fromkeys(found.said):
                print(f"{name}: {line}", file=sys.stderr)
    publish(f"{machine()}\n{args.steps} steps a run\n\n{table(rows)}\n", args.output)


if __name__ == "__main__":
    main()
