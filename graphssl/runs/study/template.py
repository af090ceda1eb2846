"""What a template of Slurm's jobs may say."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt

from ...graph.spec.section import Section
from .places import AUTO

__all__ = ["MOST_TASKS", "Template"]

Text = Annotated[str, Field(min_length=1)]
MOST_TASKS = 1_000  # that Slurm takes in an array, unless it is told otherwise
CLOCK = re.compile(r"(?:(\d+)-)?(\d+):(\d\d)(?::(\d\d))?")
OWN = {"tasks", "jobs", "sbatch", "array"}


def _minutes(value: Any) -> Any:
    """`2-12:00`, `12:00:00` and minutes, as sbatch takes them, as minutes."""
    if not isinstance(value, str):
        return value
    found = CLOCK.fullmatch(value)
    if found is None:
        raise ValueError("a time is a number of minutes, or HOURS:MINUTES:SECONDS, or DAYS-HOURS:MINUTES")
    days, first, second, third = found.groups()
    if days is not None or third is not None:
        return int(days or 0) * 1440 + int(first) * 60 + int(second)
    return int(first)  # MINUTES:SECONDS


def _jobs(value: str) -> str:
    if value != AUTO and not (value.isdecimal() and int(value) > 0):
        raise ValueError(f"this is how many runs a task has at once, 1 or more, or {AUTO}")
    return value


Minutes = Annotated[PositiveInt, BeforeValidator(_minutes)]


class Template(Section):
    """Jobs of Slurm that run a study; each key but three is an option of `sbatch`.

    tasks: of the array; default: one for each run, 1000 at most. array: how many of them run at once. jobs: runs that
    a task has at once, as `--jobs`. time: minutes, or as sbatch takes it. setup, teardown: lines of the job's script
    before and after. sbatch: any other of its options, `{mail-type: END}`.
    """

    tasks: Annotated[PositiveInt, Field(le=MOST_TASKS)] | None = None
    array: PositiveInt | None = None
    jobs: Annotated[str, BeforeValidator(str), AfterValidator(_jobs)] = AUTO
    time: Minutes = 60
    partition: Text | None = None
    account: Text | None = None
    qos: Text | None = None
    constraint: Text | None = None
    exclude: Text | None = None
    gres: Text | None = None
    gpus_per_node: PositiveInt | Text | None = None
    cpus_per_task: PositiveInt | None = None
    mem: Text | None = None
    setup: list[Text] = Field(default_factory=list)
    teardown: list[Text] = Field(default_factory=list)
    sbatch: dict[Text, Any] = Field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """As submitit takes them."""
        said = {key: value for key, value in self if key not in OWN and value not in (None, [])}
        more = {"array_parallelism": self.array or MOST_TASKS, "additional_parameters": dict(self.sbatch)}
        return {"stderr_to_stdout": True, **said, **more}
