"""Transfer: an evaluation on the data sets of a suite, with the measure that the literature's tables have of each."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from ..data import open_data
from ..data.known import sides
from ..data.presence import absence
from ..errors import RunError, suggest
from ..graph.language.validation import validate
from ..graph.spec import Data, data_section
from ..graph.spec.datasets import TORCHVISION
from .context import Context
from .figures import Figures
from .registry import Evaluation, EvaluationConfig, evaluation, find_evaluation

__all__ = ["SUITE", "Transfer"]

log = logging.getLogger(__name__)

ARCHIVES = ("cifar10", "cifar100", "svhn", "fashion_mnist")
SUITE = ("cifar10", "cifar100", *TORCHVISION)
MEASURES = {"top1": "top-1", "mean_per_class": "mean per class"}


@evaluation("transfer")
class Transfer(Evaluation):
    """A number for each set, and their mean where all are there; where training ends."""

    title = "transfer"
    said = ("protocol",)
    needs_labels = False  # of the data that the run was trained on

    class Config(EvaluationConfig):
        """Another evaluation on other data sets: Kornblith et al. 2019, arXiv:1805.08974, table 1.

        suite: the sets; one that is not there is left out, and it is said how it comes there. root: the folder that
        holds them, as torchvision has them. download: fetch those that are not there. protocol: the evaluation, and
        options: its own. Of each set the measure is that of the literature's tables: the mean over classes of the
        accuracy in each for pets, flowers102, aircraft and caltech101, else top-1.
        """

        suite: list[str] = Field(list(SUITE), min_length=1)
        root: str = "."
        protocol: str = "logistic"
        options: dict[str, Any] = Field({})
        download: bool = False

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
            config, wrong = validate(kind.Config, self.options)
            if config is None:
                raise ValueError(f"options of '{self.protocol}': {wrong[0].message}")
            return kind(config)

    config: Config

    def due(self, epoch: int, ends: bool) -> bool:
        return ends and epoch > 0

    def run(self, context: Context) -> Figures:
        sections = {name: self._section(name, context) for name in self.config.suite}
        absent = {name: absence(section) for name, section in sections.items()}
        skipped = {n: f"{m.message}{f' ({m.hint})' if m.hint else ''}" for n, m in absent.items() if m is not None}
        if len(skipped) == len(sections):
            raise RunError("\n  ".join(["no set of the suite is there:", *skipped.values()]))
        for why in skipped.values():
            log.warning("left out of the suite: %s", why)
        found = {name: self._judged(section, context) for name, section in sections.items() if name not in skipped}
        scores = {f"transfer/{name}": _measured(name, figures)[1] for name, figures in found.items()}
        if not skipped:
            scores = {"transfer": sum(scores.values()) / len(scores), **scores}
        sets = {name: _kept(name, figures) for name, figures in found.items()}
        return Figures(scores, details={"sets": sets, "skipped": skipped})

    def _section(self, name: str, context: Context) -> Data:
        given: dict[str, Any] = {"use": name, "root": self.config.root, "batch": context.batch, "last": "keep"}
        given["download"] = self.config.download
        if context.section is not None:
            given["size"] = list(sides(context.section))
            given["eval"] = context.section.eval.model_dump(mode="json", exclude_none=True)
        section, wrong = validate(data_section(name), given)
        if section is None:
            raise RunError(f"transfer to {name}: {wrong[0].message}")
        return section

    def _judged(self, section: Data, context: Context) -> Figures:
        data = open_data(section, context.device, context.seed)
        try:
            found = self.config.evaluation().run(context.on(data, section))
        finally:
            data.close()
        return found if isinstance(found, Figures) else Figures(found)


def _measured(name: str, figures: Figures) -> tuple[str, float]:
    """The measure of a set, in words, and its number."""
    measure = TORCHVISION[name].measure if name in TORCHVISION else "top1"
    if measure == "mean_per_class" and "mean_per_class" in figures.details:
        return MEASURES[measure], float(figures.details["mean_per_class"])
    return MEASURES["top1"], float(next(iter(figures.scores.values())))


def _kept(name: str, figures: Figures) -> Mapping[str, Any]:
    measure, value = _measured(name, figures)
    few = {key: figures.details[key] for key in ("samples", "chosen", "subset") if key in figures.details}
    return {"measure": measure, "value": value, "scores": dict(figures.scores), **few}
