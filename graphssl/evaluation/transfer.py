"""Transfer: an evaluation on the data sets of a suite, with the measure that the literature's tables have of each."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, model_validator

from ..checks.evaluations import lacks_of
from ..data import open_data
from ..data.known import sides
from ..data.presence import absence
from ..errors import RunError, suggest
from ..graph.language.validation import validate
from ..graph.spec import Data, data_section
from ..graph.spec.datasets import TORCHVISION
from .context import Context
from .figures import Figures
from .registry import REGISTRY, Evaluation, EvaluationConfig, Known, Lack, evaluation, find_evaluation

__all__ = ["SUITE", "Transfer"]

log = logging.getLogger(__name__)

ARCHIVES = ("cifar10", "cifar100", "svhn", "fashion_mnist")
SUITE = ("cifar10", "cifar100", *TORCHVISION)
NONE_THERE = "no set of the suite is there:"
MEASURES = {"top1": "top-1", "mean_per_class": "mean per class"}


@evaluation("transfer")
class Transfer(Evaluation):
    """A number for each set, and their mean where all are there; where training ends."""

    title = "transfer"
    said = ("protocol",)
    parts = ("", *ARCHIVES, *TORCHVISION)
    needs_labels = False  # of the data that the run was trained on

    class Config(EvaluationConfig):
        """Another evaluation on other data sets: Kornblith et al. 2019, arXiv:1805.08974, table 1.

        Of each set the measure is that of the literature's tables: the mean over classes of the accuracy in each for
        pets, flowers102, aircraft and caltech101, else top-1.
        """

        suite: list[str] = Field(
            default=list(SUITE),
            min_length=1,
            description="the sets; one that is not there is left out, and it is said how it comes there",
        )
        root: str = Field(default=".", description="the folder that holds them, as torchvision has them")
        protocol: str = Field(default="logistic", description="the evaluation that is run on each")
        options: dict[str, Any] = Field(default={}, description="of that evaluation")
        download: bool = Field(default=False, description="fetch those that are not there")

        @model_validator(mode="after")
        def _is_known(self) -> Transfer.Config:
            known = (*ARCHIVES, *TORCHVISION)
            for name in self.suite:
                if name not in known:
                    raise ValueError(f"no set of a suite is called '{name}': {suggest(name, known, 'sets are')}")
            if len(set(self.suite)) < len(self.suite):
                raise ValueError("a set stands in the suite twice")
            self.evaluation()
            return self

        def evaluation(self) -> Evaluation:
            """The one that is run on each. Raises ValueError for none, and for options that are not its own."""
            if self.protocol == "transfer":
                raise ValueError("protocol: transfer is run by another evaluation, such as logistic or linear")
            try:
                kind = find_evaluation(self.protocol)
            except LookupError as error:
                raise ValueError(str(error)) from None
            if not kind.needs_labels or kind.of_first_alone:
                others = [name for name, one in REGISTRY.items() if one.needs_labels and not one.of_first_alone]
                raise ValueError(f"protocol: {self.protocol} says nothing of a set's classes; {', '.join(others)} do")
            config, wrong = validate(kind.Config, self.options)
            if config is None:
                raise ValueError(f"options of '{self.protocol}': {wrong[0].message}")
            return kind(config)

    config: Config

    def due(self, epoch: int, ends: bool) -> bool:
        return ends and epoch > 0

    def lacks(self, known: Known) -> Iterator[Lack]:
        absent = self._absent(known.data)
        if len(absent) == len(self.config.suite):
            yield Lack("\n  ".join([NONE_THERE, *absent.values()]), "root")
        elif absent:
            yield Lack("\n  ".join(["of the suite are left out:", *absent.values()]), "root", stops=False)

    def run(self, context: Context) -> Figures:
        skipped = self._absent(context.section)
        if len(skipped) == len(self.config.suite):
            raise RunError("\n  ".join([NONE_THERE, *skipped.values()]))
        found = dict[str, Figures]()
        for name in (name for name in self.config.suite if name not in skipped):
            try:
                found[name] = self._judged(name, context)
            except RunError as error:  # another set may do
                skipped[name] = f"{name}: {error}"
                log.warning("left out of the suite: %s", skipped[name])
        if not found:
            raise RunError("\n  ".join(["no set of the suite can be judged on:", *skipped.values()]))
        measured = {name: self._measured(name, figures) for name, figures in found.items()}
        scores = {f"transfer/{name}": value for name, (_, value) in measured.items()}
        if not skipped:
            scores = {"transfer": sum(scores.values()) / len(scores), **scores}
        sets = {name: _kept(*measured[name], figures) for name, figures in found.items()}
        return Figures(scores, details={"sets": sets, "skipped": skipped})

    def _absent(self, like: Data | None) -> dict[str, str]:
        """Which sets are not there, and how they come there. like: the section that the network is trained by."""
        absent = {name: absence(self._section(name, like)) for name in self.config.suite}
        return {n: f"{m.message}{f' ({m.hint})' if m.hint else ''}" for n, m in absent.items() if m is not None}

    def _section(self, name: str, like: Data | None, batch: int = 1) -> Data:
        given: dict[str, Any] = {"use": name, "root": self.config.root, "batch": batch, "last": "keep"}
        given["download"] = self.config.download
        if like is not None:
            given["size"] = list(sides(like))
            given["eval"] = like.eval.model_dump(mode="json", exclude_none=True)
        section, wrong = validate(data_section(name), given)
        if section is None:
            raise RunError(f"transfer to {name}: {wrong[0].message}")
        return section

    def _judged(self, name: str, context: Context) -> Figures:
        section, kind = self._section(name, context.section, context.batch), self.config.evaluation()
        data = open_data(section, context.device, context.seed)
        try:
            known = Known(section, context.augment is not None, data.counts)
            for lack in lacks_of({self.config.protocol: kind}, known).get(self.config.protocol, ()):
                if lack.prevents:
                    raise RunError(".".join(filter(None, (self.config.protocol, lack.option))) + f": {lack.message}")
            found = kind.run(context.on(data, section))
        finally:
            data.close()
        return found if isinstance(found, Figures) else Figures(found)

    def _measured(self, name: str, figures: Figures) -> tuple[str, float]:
        """The measure of a set, in words, and its number: where accuracy is measured that of the set's tables."""
        quantity = find_evaluation(self.config.protocol).quantity
        measure = TORCHVISION[name].measure if name in TORCHVISION else "top1"
        if measure == "mean_per_class" and "mean_per_class" in figures.details:
            return MEASURES[measure], float(figures.details["mean_per_class"])
        value = float(next(iter(figures.scores.values())))
        return (MEASURES["top1"] if quantity == Evaluation.quantity else quantity), value


def _kept(measure: str, value: float, figures: Figures) -> Mapping[str, Any]:
    few = {key: figures.details[key] for key in ("samples", "chosen", "subset") if key in figures.details}
    return {"measure": measure, "value": value, "scores": dict(figures.scores), **few}
