"""Functions of a step that are compiled, and that are taken as they are written where that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch

from ..errors import RunError, ran_out, reason_of
from .compile_cache import keep_compiled, remove_unused_code
from .replay import recording

__all__ = ["Compiled", "compiles", "failed_to_compile", "is_told", "reason_of_failure"]

T = TypeVar("T")
Function = Callable[..., Any]


class Compiled:
    """The functions of a step by name: compiled where `compile:` says so, and as they are written once that fails.

    current: what is called now. active: whether that is compiled. reason: why it is not, though it should be; None
    otherwise. at_risk: whether a step is under way that will be taken back if it fails.
    components: the classes of the nodes, whose sources decide which code of earlier runs still holds.
    whole: whether each function is compiled as one; else what cannot be compiled in it, such as the hooks that gather
    weights, is left between what can.
    """

    def __init__(
        self, functions: Mapping[str, Function], choice: str, device: torch.device, components: Iterable[type],
        *, whole: bool = True,
    ) -> None:  # fmt: skip
        self._plain = self.current = dict(functions)
        self._choice, self._device, self._whole = choice, device, whole
        self.active = compiles(choice, device)
        self.reason: str | None = None
        self.at_risk = False
        self._tried: set[tuple[int, ...]] = set()  # sizes of batches for which they have been compiled, or were to be
        if self.active:
            keep_compiled(components)

    def take(self, sizes: tuple[int, ...], step: Callable[[], T], keep: Callable[[], Callable[[], None]]) -> T:
        """Takes a step with batches of these sizes. The first such compiles; if that fails, it is taken again, plain.

        It may fail half way: at a kernel that is built when it is first launched, in the backward pass, which is
        compiled when it is first needed, or in the updates.
        keep: keeps all that a step changes, and gives what puts it back.
        """
        if not self.active or sizes in self._tried:
            return step()
        self._tried.add(sizes)
        put_back = keep()
        self.at_risk = True
        try:
            self._compile()
            outputs = step()
        except Exception as error:
            if is_told(error):
                raise
            self._give_up(error)
        else:
            remove_unused_code()
            return outputs
        finally:
            self.at_risk = False
        put_back()
        outputs = step()  # a node that fails is no matter of the compiler's
        self._check_choice()
        return outputs

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Calls one of the functions: all as they are written from then on, where one no longer compiles.

        That is found out before anything is computed: the compiler looks at tensors without data.
        """
        try:
            return self.current[name](*arguments)
        except Exception as error:
            if not self.active or self.at_risk or recording(self._device) or not failed_to_compile(error):
                raise
            self._give_up(error)
        result = self.current[name](*arguments)
        self._check_choice()
        return result

    def _compile(self) -> None:
        if self.current is self._plain:
            self.current = {
                name: torch.compile(function, fullgraph=self._whole, dynamic=False)
                for name, function in self._plain.items()
            }

    def _give_up(self, error: Exception) -> None:
        """Steps as they are written from now on. Not to go on in the handler, which holds what has been computed."""
        self.active, self.reason = False, reason_of_failure(error)
        self.current = self._plain

    def _check_choice(self) -> None:
        if self._choice == "on":
            raise RunError(f"the step does not compile: {self.reason}. train.compile: 'off' trains without")


def is_told(error: BaseException) -> bool:
    """Whether an error says what is wrong itself, or memory has run out: it is nothing in the code."""
    return isinstance(error, RunError) or ran_out(error)


def compiles(choice: str, device: torch.device) -> bool:
    """Whether `compile:` means to compile here. On a CPU compiling takes a minute, which short runs never win back."""
    return choice == "on" or (choice == "auto" and device.type == "cuda")


def failed_to_compile(error: BaseException) -> bool:
    """Whether an error is the compiler's: code that it does not take, or takes no more of, before any of it has run."""
    # By name: the module takes seconds to import, where nothing is compiled.
    return any(kind.__module__ == "torch._dynamo.exc" for kind in type(error).__mro__)


def reason_of_failure(error: BaseException) -> str:
    """Why a step does not compile, in one line: what the compiler says of the code, or what broke in or after it."""
    inner, cause = getattr(error, "inner_exception", None), error.__cause__
    if inner is None:
        inner = cause if cause is not None and failed_to_compile(cause) else error
    kind = "" if failed_to_compile(inner) else f"{type(inner).__name__}: "
    return f"{kind}{reason_of(inner)}".rstrip(".")
