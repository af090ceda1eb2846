"""What an evaluation is: a class with its options beside it, when it is due, and what it measures.

    @evaluation("knn")
    class Knn(Evaluation):
        title = "kNN"

        class Config(EvaluationConfig):
            k: PositiveInt = 20

        config: Config

        def run(self, context: Context) -> dict[str, float]:
            return {"knn": knn_accuracy(context.features, self.config.k)}

That is all of it. `evaluate: {knn: {k: 5}}` is then validated, its numbers are measured when they are due, noted in
checkpoints and in run.json, tracked, shown in the lines of a run and at its close, and `graphssl evaluate` measures
them again. What it needs of the data, and may not find, is said before anything is trained:

        def lacks(self, known: Known) -> Iterator[Lack]:
            if known.counts and known.counts.labelled < self.config.k:
                yield Lack(f"there are {known.counts.labelled} labelled pictures", option="k")

`graphssl check` tells it at the option's place where the pictures are files, a run before its first step, and
`graphssl evaluate` before features are made; what labels are needed for is left out of data without any, also without
this method. Those of the framework are files of this folder, which `__init__` imports; one of a user's is a class in a
file or a package that the graph lists under `components:`. What is slow to import, `run` imports: `check` needs the
options alone.
"""

from __future__ import annotations

import inspect
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, TypeVar

from torch import nn

from ..checks.evaluations import Known, Lack
from ..errors import suggest
from ..graph.spec import Evaluate, EvaluationConfig
from ..graph.spec.evaluate import declare_evaluation
from .context import Context
from .figures import Figures
from .labels import parse
from .spread import Spread

__all__ = [
    "REGISTRY", "Evaluation", "EvaluationConfig", "Known", "Lack", "better_metrics", "bounds_of", "evaluation",
    "find_evaluation", "measured_in_runs", "metric_title", "score_text", "spread_text",
]  # fmt: skip


class Evaluation(ABC):
    """Base of every evaluation.

    title: what lines call it. quantity: what it measures. said: the options that are said with a score.
    default: graphs that say nothing of it have it. more_is_better: which of two of its numbers is the better one; or by
    number, `{"alignment": False}` for `name/alignment`, where they differ: of others neither is.
    when: options that say when it is due, and change nothing in what it measures. needs_labels: whether it is left out
    of data without labels. needs_data: whether it looks at the data of the run. bounds: what its numbers lie between;
    a share's. of_first_alone: of several networks that are judged it measures the first. parts: what may stand after
    its name and a slash in its numbers' names, as regular expressions, "" for its name alone; None: nobody knows.
    """

    Config: ClassVar[type[EvaluationConfig]]
    title: ClassVar[str]
    quantity: ClassVar[str] = "accuracy"
    said: ClassVar[tuple[str, ...]] = ()
    default: ClassVar[bool] = False
    more_is_better: ClassVar[bool | Mapping[str, bool]] = True
    when: ClassVar[tuple[str, ...]] = ("every",)
    needs_labels: ClassVar[bool] = True
    needs_data: ClassVar[bool] = True
    of_first_alone: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    parts: ClassVar[tuple[str, ...] | None] = None

    config: EvaluationConfig

    def __init__(self, config: EvaluationConfig) -> None:
        self.config = config

    def due(self, epoch: int, ends: bool) -> bool:
        """Whether it is run after `epoch` epochs; by default where training begins and ends.

        epoch: 0 before the first step. ends: training begins or ends here. One that is never due while training is
        run on request: by `graphssl evaluate`.
        """
        return ends

    def lacks(self, known: Known) -> Iterator[Lack]:
        """What it needs with these options and does not find, as far as that is known before there are features.

        known: what may not be known is None. Where labels are needed there are some, of several classes, to learn from
        and to judge on.
        """
        yield from ()

    def refusals(self, network: nn.Module | None, channels: int) -> Iterable[str]:
        """Why a network cannot be judged so, as far as that is known before it is trained.

        network: what is judged, also without data (meta); None for a value of the flow. channels: of its pictures.
        """
        return ()

    @abstractmethod
    def run(self, context: Context) -> Mapping[str, float] | Figures:
        """What it measures, by the metric's name: its own, `knn`, or for one of several numbers `knn/top5`.

        Of the same context it gives the same numbers: what is random in it has a seed. `Figures` has intervals and
        more beside the numbers.
        """

    @classmethod
    def text(cls, value: float) -> str:
        """A number of it as it is read; by default a share, in percent."""
        return f"{100 * value:.2f} %"

    @classmethod
    def gives(cls, metric: str) -> bool:
        """Whether a number of it may be called so; True where nobody knows."""
        part = metric.partition("/")[2]
        return cls.parts is None or any(re.fullmatch(known, part) for known in cls.parts)

    def settings(self) -> str:
        """The options that are said with a score, such as `k 20, temperature 0.07`."""
        values = {name: value for name in self.said if (value := getattr(self.config, name)) is not None}
        return ", ".join(f"{name} {v:g}" if isinstance(v, float) else f"{name} {v}" for name, v in values.items())


E = TypeVar("E", bound=type[Evaluation])

TAKEN = {*dir(Evaluate), *Evaluate.model_fields, "monitor"}
REGISTRY: dict[str, type[Evaluation]] = {}


class EvaluationError(TypeError):
    """A class that is not an evaluation as the module's docstring describes it."""


def evaluation(name: str) -> Callable[[E], E]:
    """Registers a class under the name that its options have in `evaluate:`."""

    def register(cls: E) -> E:
        own = cls.__qualname__
        if not issubclass(cls, Evaluation):
            raise EvaluationError(f"{own} needs the base Evaluation")
        if not name.isidentifier() or name in TAKEN:
            raise EvaluationError(f"{own}: '{name}' cannot name an evaluation in `evaluate:`")
        config = getattr(cls, "Config", None)
        if not (isinstance(config, type) and issubclass(config, EvaluationConfig)):
            raise EvaluationError(f"{own} needs a class Config(EvaluationConfig)")
        if inspect.isabstract(cls):
            raise EvaluationError(f"{own} needs a method run(self, context)")
        if not isinstance(getattr(cls, "title", None), str):
            raise EvaluationError(f"{own} needs a title: what lines call it")
        if cls.default and any(field.is_required() for field in config.model_fields.values()):
            raise EvaluationError(
                f"{own}: graphs that say nothing of it have it, so each of its options needs a default"
            )
        if missing := [key for key in cls.said if key not in config.model_fields]:
            raise EvaluationError(f"{own}: there is no option '{missing[0]}' to be said")
        known = REGISTRY.get(name)
        if known and (_origin(known), known.__qualname__) != (_origin(cls), own):
            raise EvaluationError(f"two evaluations are called '{name}': {_origin(known)} and {_origin(cls)}")
        REGISTRY[name] = cls
        declare_evaluation(name, cls.__name__, config, cls.default, cls)
        return cls

    return register


def _origin(cls: type[Evaluation]) -> str:
    return inspect.getsourcefile(cls) or "?"


def find_evaluation(name: str) -> type[Evaluation]:
    """The evaluation of that name; raises LookupError with a suggestion."""
    if name not in REGISTRY:
        raise LookupError(f"no evaluation is called '{name}': {suggest(name, REGISTRY, 'evaluations are')}")
    return REGISTRY[name]


def measured_in_runs(name: str) -> bool:
    """Whether an evaluation is run every so many epochs of a training; others on request, after it."""
    return "every" in find_evaluation(name).Config.model_fields


def better_metrics(name: str, more: bool) -> list[str]:
    """The metrics of an evaluation of which more is better, or less; all of them by the evaluation's own name."""
    found = find_evaluation(name).more_is_better
    if isinstance(found, bool):
        return [name] * (found is more)
    return [f"{name}/{part}" for part, which in found.items() if which is more]


def metric_title(metric: str, quantity: bool = False) -> str:
    """What lines call a metric: `kNN`, one of several numbers `kNN top5`, with other options `kNN k 200`; with what is
    measured, `kNN accuracy`."""
    kind, named = _measuring(metric), parse(metric)
    if kind is None:
        return metric
    what = named.part or (kind.quantity if quantity else "")
    return " ".join(filter(None, (kind.title, named.otherwise, what)))


def score_text(metric: str, value: float) -> str:
    """A metric's number as it is read."""
    kind = _measuring(metric)
    return f"{value:.5g}" if kind is None else kind.text(value)


def spread_text(metric: str, spread: Spread, sign: str = "") -> str:
    """`97.31 ± 0.42 %`: the mean, and half of its 95 % interval, the longer half where the other ends at a bound.

    sign: before the mean.
    """
    mean = score_text(metric, spread.mean)
    if spread.interval is None:
        return f"{sign}{mean}"
    low, high = spread.interval
    half = score_text(metric, max(high - spread.mean, spread.mean - low))
    number, _, unit = mean.partition(" ")
    return " ".join(filter(None, (f"{sign}{number}", "±", half.partition(" ")[0], unit)))


def bounds_of(metric: str) -> tuple[float, float]:
    """What a metric's numbers lie between."""
    kind = _measuring(metric)
    return (-math.inf, math.inf) if kind is None else kind.bounds


def _measuring(metric: str) -> type[Evaluation] | None:
    """The evaluation that measures a metric, None where it is not there: a user's, of a file that is not loaded."""
    return REGISTRY.get(parse(metric).evaluation)
