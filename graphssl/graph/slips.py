"""What is told of an error in the user's own Python: its reason, the line in their file, and of common slips a hint."""

from __future__ import annotations

import builtins
import re
import sys
import traceback
from collections.abc import Iterable
from typing import NamedTuple

from ..code import own_line
from ..errors import Problem, Refused, RunError, Span, Suggestion, reason_of, suggest

__all__ = ["Slip", "failed", "slip_of"]

IMPORTS = {
    "np": "import numpy as np", "numpy": "import numpy", "torch": "import torch", "nn": "from torch import nn",
    "F": "from torch.nn import functional as F", "functional": "from torch.nn import functional",
    "Tensor": "from torch import Tensor", "math": "import math", "Any": "from typing import Any",
    "Annotated": "from typing import Annotated", "Field": "from pydantic import Field",
    **{name: f"from graphssl.component import {name}"
       for name in ("component", "update", "NodeConfig", "NodeRef", "Scheduled", "Sizes", "Code")},
    **{name: f"from graphssl.ports import {name}" for name in ("Scores", "Negatives", "Gaussian", "Cut")},
}  # fmt: skip
BRANCH = (
    "a step does not look at values: torch.where(condition, a, b) in place of `if`, and no .item() or float(tensor)"
)
NUMPY = "a step computes with torch alone: numpy knows neither gradients nor other devices, nor tensors without data"
DEVICE = (
    "a tensor that a method makes goes where its input is, torch.zeros(n, device=x.device); one that lasts is a "
    "buffer: self.register_buffer('name', tensor) in __init__"
)
SUPER = "begin __init__ with super().__init__()"
DTYPE = "numpy's floats are float64: torch.from_numpy(array).float(), or torch.tensor(array, dtype=torch.float32)"
SHAPES = "a Linear(in, out) takes an input whose last axis is `in`; sizes['d'] has the size that comes in"
INDEX = "indices begin at 0 and end below the size; the last batch of an epoch, or one process's part, may be smaller"
# By torch's and Python's own words, of several versions; the first that is found.
SLIPS = {
    r"leaf [Vv]ariable.*in-place|in-place operation.*leaf": (
        "write it out of place, w = w + x, or as a state: a buffer that an @update method writes, after the step"
    ),
    r"modified by an inplace operation": (
        "write it out of place, x = x + 1 in place of x += 1, and nn.ReLU() without inplace"
    ),
    r"numpy\(\)|convert.* to numpy|to numpy": NUMPY,
    r"Boolean value of Tensor|item\(\) cannot be called on meta|_local_scalar_dense|[Dd]ata-?dependent": BRANCH,
    r"out of meta tensor|aten::nonzero.*meta|on meta tensors": f"`check` runs it on tensors without data: {BRANCH}",
    r"on the same device|not on the expected device|is on \w+(:\d+)?,? .*different|device meta": DEVICE,
    r"before Module\.__init__\(\)|no attribute '_(parameters|buffers|modules|backward_hooks|forward_hooks)'": SUPER,
    r"same dtype|scalar type|dtype.*(Double|double|Float)|(Double|double).*(Float|float)": DTYPE,
    r"shapes cannot be multiplied|same reduction dim|size mismatch.*(mat|got)|must have same": SHAPES,
    r"must match the size of tensor|not broadcastable|Sizes of tensors must match": (
        "axes of two tensors are equal or 1, from the last one on: x[:, None] adds one, x.unsqueeze(0) too"
    ),
    r"expected input.*to have \d+ channels": "sizes['c'] has the number of channels that come in",
    r"'NoneType' object": "a method without `return` gives None",
    r"index.*out of (range|bounds)|out of range|Dimension out of range": INDEX,
    r"does not require grad": "nothing with weights is in it: detach(), .data, no_grad and numpy cut the gradient",
}


class Slip(NamedTuple):
    """An error of the user's own code. reason: in a line. own: where in their file. hint: what is usually right."""

    reason: str
    own: Span | None
    hint: str | None

    @property
    def inline(self) -> str:
        """The reason and the place in one line, for messages that are in a list."""
        if self.own is None:
            return self.reason
        return f"{self.reason} ({self.own.file}:{self.own.line}: `{self.own.text.strip()}`)"


def slip_of(error: BaseException) -> Slip:
    """What is told of an error. A ValueError's words are the component's own."""
    own, said, kind = own_line(error), reason_of(error), type(error).__name__
    words = isinstance(error, ValueError) and said != kind and not isinstance(error, UnicodeError)
    if isinstance(error, SyntaxError):
        said = error.msg
    reason = said if words or said == kind else f"{kind}: {said}"
    given = error.hint if isinstance(error, Refused) else None
    hint = given.text if isinstance(given, Suggestion) else given
    if isinstance(error, Refused) and isinstance(error.__cause__, NameError):  # of the user's own, whatever is asked of
        hint = _of_name(error.__cause__) or hint
    return Slip(reason, own, hint or _hint(error, own))


def failed(message: str, error: BaseException, span: Span | None = None) -> RunError:
    """A RunError of the user's own code that failed: the message with the reason, the graph's line, and theirs."""
    slip = slip_of(error)
    told = Problem(f"{message}: {slip.reason}", span, slip.hint, own=slip.own).render()
    return RunError(told)


def _hint(error: BaseException, own: Span | None) -> str | None:
    """Of a common slip. Those that torch tells in words that others use too are the user's where their line is."""
    if isinstance(error, NameError):
        return _of_name(error)
    if isinstance(error, ModuleNotFoundError):
        missing = str(error.name)
        return f"is '{missing}' installed here? A file beside is listed under components: too, as ./{missing}.py"
    if isinstance(error, ImportError) and error.name in sys.modules:
        named = re.match(r"cannot import name '(\w+)'", reason_of(error))
        return _near(named[1], dir(sys.modules[error.name])) if named else None
    text = reason_of(error)
    for words, hint in SLIPS.items():
        if (own is not None or "inplace" in words) and re.search(words, text):
            return hint
    if isinstance(error, AttributeError) and error.name is not None and own is not None:
        return _near(error.name, dir(error.obj))
    return None


def _of_name(error: NameError) -> str | None:
    name = str(error.name)
    if name in IMPORTS:
        return f"it lacks `{IMPORTS[name]}`"
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    known = [*frames[-1].f_locals, *frames[-1].f_globals, *dir(builtins)] if frames else []
    return _near(name, known)


def _near(name: str, known: Iterable[str]) -> str | None:
    close = suggest(name, [one for one in known if not one.startswith("__")])
    return close.text if close.near else None
