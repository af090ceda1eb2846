"""The `loss:` section: each entry becomes a term, one number with its factor and weight."""

from __future__ import annotations

from ..errors import Problems, Span
from ..schedule import Schedule
from .calls import Value
from .graph import Line, Term
from .language import expressions as e
from .language.arithmetic import TAKE_OUT
from .language.parse import parse_term
from .language.sections import EXAMPLES
from .names import check_name
from .spec import GraphFile, TermSpec
from .wiring import Wiring

__all__ = ["read_loss"]


def read_loss(spec: GraphFile, wiring: Wiring) -> list[tuple[Line, Term]]:
    """The terms, and the lines of which they are made."""
    scope = wiring.scope
    if not spec.loss and not scope.problems:
        scope.problems.add("there is no loss term", scope.source.at(("loss",), key=True), f"as in {EXAMPLES['loss']}")
    terms = (_read_term(name, entry, wiring) for name, entry in spec.loss.items())
    return [term for term in terms if term is not None]


def _read_term(name: str, entry: str | TermSpec, wiring: Wiring) -> tuple[Line, Term] | None:
    at, problems, path = wiring.scope.source.at, wiring.scope.problems, ("loss", name)
    at_key = at(path, key=True)
    if not check_name(name, "loss term", at_key, problems):
        return None
    text, weight = (entry.value, entry.weight) if isinstance(entry, TermSpec) else (entry, 1.0)
    if _is_off(weight):
        problems.add(f"a weight of 0 takes '{name}' out of the loss", at((*path, "weight")), TAKE_OUT, about=name)
    span = at((*path, "value") if isinstance(entry, TermSpec) else path)
    parsed = parse_term(text, span, problems)
    if parsed is None:
        return None
    factor, expression = parsed
    value = wiring.line("loss", name, expression)
    if value is None or not _check_number(value, span, problems):
        return None
    return Line("loss", (e.Name(name, at_key),), expression), Term(name, value.slots, factor, weight, span)


def _is_off(weight: float | Schedule[float]) -> bool:
    """Whether a weight is 0 all the time."""
    if not isinstance(weight, Schedule):
        return weight == 0
    return weight.start == 0 and (weight.end == 0 or weight.shape == "constant")


def _check_number(value: Value, span: Span, problems: Problems) -> bool:
    """Whether a value is one number, or one a view; notes what is not."""
    wrong = next((s for s in value.all_slots() if s.kind != "tensor" or s.axes != ((),)), None)
    if wrong is None and value.slots:
        return True
    got = f"{wrong.kind} from {wrong}" if wrong is not None else "nothing"
    hint = "an objective gives one: objective(critic(query, key))"
    problems.add(f"a loss term is one number, but this is {got}", span, hint)
    return False
