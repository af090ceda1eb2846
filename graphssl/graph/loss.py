"""The `loss:` section: each entry becomes a term, one number with its factor and weight."""

from __future__ import annotations

from ..errors import GraphError, Problem, Span
from ..language import expressions as e
from ..language.sections import EXAMPLES
from ..language.source import Source
from ..language.validation import Path
from ..schedule import Schedule
from ..spec import GraphFile, TermSpec
from .calls import Value
from .graph import Term
from .nodes import name_problem
from .wiring import Wiring


def read_loss(spec: GraphFile, source: Source, wiring: Wiring) -> list[Term]:
    if not spec.loss and not wiring.calls.problems:
        at = source.at(("loss",), key=True)
        wiring.calls.problems.append(Problem("there is no loss term", at, f"as in {EXAMPLES['loss']}"))
    terms = (_read_term(name, entry, source, wiring) for name, entry in spec.loss.items())
    return [term for term in terms if term is not None]


def _read_term(name: str, entry: str | TermSpec, source: Source, wiring: Wiring) -> Term | None:
    path: Path = ("loss", name)
    if reason := name_problem(name, "loss term"):
        wiring.calls.problems.append(Problem(reason, source.at(path, key=True)))
        return None
    text, weight = (entry.value, entry.weight) if isinstance(entry, TermSpec) else (entry, 1.0)
    if _is_off(weight):
        message = f"a weight of 0 takes '{name}' out of the loss"
        wiring.calls.problems.append(Problem(message, source.at((*path, "weight")), e.TAKE_OUT))
    at = source.at((*path, "value") if isinstance(entry, TermSpec) else path)
    try:
        factor, expression = e.parse_term(text, at)
    except GraphError as error:
        wiring.calls.problems.extend(error.problems)
        return None
    value = wiring.line("loss", name, expression)
    if value is None or not _is_number(value, at, wiring):
        return None
    return Term(name, value.slots, factor, weight, at)


def _is_off(weight: float | Schedule[float]) -> bool:
    """Whether a weight is 0 all the time."""
    if not isinstance(weight, Schedule):
        return weight == 0
    return weight.start == 0 and (weight.end == 0 or weight.shape == "constant")


def _is_number(value: Value, at: Span, wiring: Wiring) -> bool:
    wrong = [s for s in value.all_slots() if s.kind != "tensor" or s.axes != ((),)]
    if wrong or not value.slots:
        got = f"{wrong[0].kind} from {wrong[0]}" if wrong else "nothing"
        message = f"a loss term is one number, but this is {got}"
        wiring.calls.problems.append(Problem(message, at, "an objective gives one: objective(critic(query, key))"))
        return False
    return True
