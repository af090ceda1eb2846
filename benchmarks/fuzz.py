"""Looks for input that ends in an error from within, led by what it reaches in graphssl's code.

    python benchmarks/fuzz.py TARGET [--minutes 10]

Needs atheris (`pip install atheris`). The targets are those of `tests/shared/fuzzing.py`, as are the inputs that it
begins from. What it finds is written to `tests/corpus/TARGET/`, where the tests try it from then on. A search without
atheris is `FUZZ=6000 pytest tests/test_fuzz.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
import tempfile
from pathlib import Path

from common import machine

TESTS = Path(__file__).parent.parent / "tests"


def main() -> None:
    sys.path[:0] = [str(TESTS / "shared"), str(TESTS)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("--minutes", type=float, default=10.0)
    args = parser.parse_args()
    try:
        import atheris
    except ModuleNotFoundError:
        sys.exit("atheris is not installed: pip install atheris")
    with atheris.instrument_imports(include=["graphssl"]):
        fuzzing = importlib.import_module("fuzzing")
    targets = {target.__name__: target for target in fuzzing.SEEDS}
    if args.target not in targets:
        sys.exit(f"there is no target {args.target!r}: {', '.join(targets)}")
    target = targets[args.target]

    def attempt(content: bytes) -> None:
        with contextlib.suppress(fuzzing.OURS):
            target(content)

    found = TESTS / "corpus" / args.target
    found.mkdir(parents=True, exist_ok=True)
    print(f"{machine()}\n{args.target}")
    with tempfile.TemporaryDirectory(prefix="seeds-") as seeds:
        for i, seed in enumerate(fuzzing.SEEDS[target]):
            Path(seeds, str(i)).write_bytes(seed)
        limits = [f"-max_total_time={args.minutes * 60:.0f}", "-timeout=60", "-rss_limit_mb=8192"]
        atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={found}/", seeds], attempt)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
