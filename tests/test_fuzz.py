"""What strangers hand over, changed at random: it is taken, or told in one message; never an error from within.

`FUZZ=6000 pytest tests/test_fuzz.py` tries so many of each target, and others each time; without it they are few, and the
same. What has failed once is in `tests/corpus/`, a folder a target, and tried each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import fuzzing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
MANY = int(os.environ.get("FUZZ", "0"))
FEW = 60

CORPUS = Path(__file__).parent / "corpus"
TARGETS = {target.__name__: target for target in fuzzing.SEEDS}
# Words that mean something somewhere: a change at random seldom hits on one.
WORDS = [
    b"{", b"}", b"[", b"]", b": ", b", ", b"\n", b"  ", b"- ", b"&a ", b"*a", b"!!python/object:os.system ", b"null", b"~",
    b"nan", b".inf", b"1e999", b"-1", b"0", b"9" * 30, b"true", b"\"", b"'", b"#", b"%", b"|\n", b"\x00", b"\xff\xfe", b"\x1b[2J",
    "\u202e".encode(), b"views=", b"fold", b"pairs=", b"z", b"z[0]", b"[1:]", b"(", b")", b"**", b"/", b"..", b"../", b"use: ",
    b"extends: ", b"graph: ", b"nodes: ", b"batch.image", b"augment", b"a" * 300, b"\r\n", b"\t", b"{from: 0, to: 1}", b"=", b".",
]  # fmt: skip

Edit = tuple[float, int, bytes]
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), st.one_of(st.sampled_from(WORDS), st.binary(max_size=6))), max_size=5
)


def edited(content: bytes, edits: list[Edit]) -> bytes:
    """The content with bytes taken out and others put in their place. An edit: where, how many, what instead."""
    for where, count, new in edits:
        at = int(where * len(content))
        content = content[:at] + new + content[at + count :]
    return content


@pytest.mark.parametrize("name", TARGETS)
def test_anything(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=MANY or FEW, derandomize=not MANY, deadline=None, suppress_health_check=SLOW)
    @given(seed=st.sampled_from(fuzzing.SEEDS[target]), edits=EDITS)
    def run(seed: bytes, edits: list[Edit]) -> None:
        attempt(target, edited(seed, edits))

    run()


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_has_failed_once(path: Path) -> None:
    attempt(TARGETS[path.parent.name], path.read_bytes())


def attempt(target: Callable[[bytes], None], content: bytes) -> None:
    try:
        target(content)
    except fuzzing.OURS as error:
        assert str(error).strip()  # noqa: PT017
        assert "Traceback" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_target_takes_what_it_begins_from(target: Callable[[bytes], None]) -> None:
    """Else nothing behind its first check would be tried."""
    if target is not fuzzing.index:
        for seed in fuzzing.SEEDS[target][:1]:
            target(seed)
