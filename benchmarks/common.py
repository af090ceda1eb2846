"""What the benchmarks share: fair timing of several functions, the machine, tables and where they are written."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from graphssl.errors import RunError
from graphssl.train.device import choose_device


def arguments(doc: str | None, *, device: bool = True) -> argparse.ArgumentParser:
    """A parser with what all benchmarks take: `--threads`, `--output` and, where there is a choice, `--device`."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads")
    if device:
        parser.add_argument("--device", type=device_of, default="auto", help="auto, cpu, cuda, cuda:1 ...")
    parser.add_argument("--output", type=Path)
    return parser


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def device_of(text: str) -> torch.device:
    """A device that is here, for argparse."""
    try:
        return choose_device(text)
    except RunError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def interleave(
    functions: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each call, by name: one warm-up of each, then the functions in turn, `repeats` times.

    In turn, so that whatever else the machine does falls on all of them. A function that uses a GPU waits for it.
    clock: in seconds; `time.process_time` leaves out what others do on the same cores.
    """
    for function in functions.values():
        function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = clock()
            function()
            seconds[name].append(clock() - start)
    return seconds


def ratios(seconds: Sequence[float], others: Sequence[float]) -> tuple[str, str]:
    """How many times as fast as the others: the median over the turns, and the range."""
    found = [other / own for own, other in zip(seconds, others, strict=True)]
    return f"{statistics.median(found):.3f}", f"{min(found):.3f} - {max(found):.3f}"


def matrix_peak(device: torch.device, dtype: torch.dtype, repeats: int = 11) -> float:
    """FLOP/s of the fastest of several products of two large square matrices."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))

    def multiply() -> None:
        torch.mm(a, b)
        wait(device)

    return 2 * n**3 / min(interleave({"": multiply}, repeats)[""])


def wait(device: torch.device) -> None:
    """Until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def command() -> str:
    """The one that is running: the script from the root of the repository, folders by their names, no `--output`."""
    script, *words = sys.argv
    if "--output" in words:
        at = words.index("--output")
        del words[at : at + 2]
    words = [word for word in words if not word.startswith("--output=")]
    named = (Path(word).name if Path(word).is_absolute() else word for word in words)
    return shlex.join(["python", f"benchmarks/{Path(script).name}", *named])


def machine() -> str:
    """Processor, cores, GPU if there is one, torch, date."""
    parts = [f"{_processor()}, {os.cpu_count()} cores"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    parts += [f"torch {torch.__version__}", f"Python {platform.python_version()}", datetime.date.today().isoformat()]
    return ", ".join(parts)


def _processor() -> str:
    """The model, from Linux where it says so."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def table(rows: Sequence[Sequence[str]]) -> str:
    """The rows in columns: the first aligned to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def publish(text: str, output: Path | None) -> None:
    """Prints the text under the command that made it, and writes both to a file where one is named."""
    text = f"# {command()}\n{text}"
    print(text, end="")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text)
