"""The entry point: a command is run, and every error that a user can cause becomes one message and an exit code."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
from typing import Any, NoReturn

import typer

from ..console import INTERRUPTED, STOPPED, launched, say, speaks
from ..errors import GraphError, Problem, RunError, Stopped, UsageError, escaped, ran_out, reason_of, told
from .arguments import Interrupted
from .listing import app

__all__ = ["main"]

FAILED, WRONG = 1, 2  # exit codes: of what could not be done, of a wrong graph or argument


def main() -> None:
    """Runs the command that is in `sys.argv`, and ends the process with its exit code."""
    gc.disable()  # a fifth of the time that torch takes to import
    atexit.register(gc.freeze)  # as a process ends, Python would look through all of it for garbage: half a second
    say_what_is_logged()
    try:
        os.getcwd()
    except OSError as error:  # MKL would end the process in words of its own
        fail(f"graphssl: the folder in which this is called cannot be entered: {error.strerror}", FAILED)
    try:
        sys.exit(app(standalone_mode=False))
    except (GraphError, UsageError, RunError) as error:
        tell(error)
    except (KeyboardInterrupt, Interrupted) as error:
        tell_of_interruption(error.__cause__ or error)
    except Stopped as stopped:
        tell_how_to_go_on(stopped)
    except typer.Abort:
        fail("interrupted", INTERRUPTED)
    except Exception as error:
        if hasattr(error, "show"):  # typer's, of an argument
            tell_of_argument(error)
        if isinstance(error, OSError) and error.filename is None and not output_is_taken():
            fail(f"graphssl: the output cannot be written: {error.strerror or error}", FAILED)
        if os.environ.get("GRAPHSSL_TRACEBACK"):
            raise
        if ran_out(error):
            fail(f"graphssl: memory has run out ({reason_of(error)})", FAILED)
        tell_of_own_code(error)
        reason = told(f"{type(error).__name__}: {reason_of(error)}")
        fail(f"graphssl: internal error: {reason}\nGRAPHSSL_TRACEBACK=1 shows where; please report it", FAILED)
    except BaseException as error:  # sys.exit, say, in a component: its code is not the command's
        tell_of_own_code(error)
        raise
    finally:
        gc.enable()


def tell(error: GraphError | UsageError | RunError) -> None:
    """Says what was wrong, once where several processes run together, and ends with the exit code of its kind."""
    code = FAILED if isinstance(error, RunError) and not isinstance(error, UsageError) else WRONG
    if getattr(error, "quiet", not speaks()):
        sys.exit(code)
    if isinstance(error, GraphError):
        count = sum(p.severity == "error" for p in error.problems)
        fail(f"{error}\n{count} problem{'' if count == 1 else 's'}", code)
    fail(f"graphssl: {error}", code)


def tell_of_own_code(error: BaseException) -> None:
    """Of an error that nobody has told of, and that the user's own Python has raised: where in it."""
    from ..code import own_line

    if (own := own_line(error)) is not None:
        fail(f"graphssl: {Problem(f'{type(error).__name__}: {reason_of(error)}', own=own).render()}", FAILED)


def tell_of_interruption(error: BaseException) -> NoReturn:
    """Of Ctrl-C; a KeyboardInterrupt that the user's own Python has raised is an error of that."""
    from ..code import raises_itself

    if raises_itself(error):
        tell_of_own_code(error)
    fail("interrupted", INTERRUPTED)


def tell_of_argument(error: Any) -> NoReturn:
    """Typer's own words, and its exit code; the argument may be a file's name."""
    error.message = escaped(error.message)
    error.show()
    sys.exit(error.exit_code)


def tell_how_to_go_on(stopped: Stopped) -> None:
    """Ends with the exit code of a run that a signal from outside has stopped; here, before it had done a step."""
    if not speaks():
        sys.exit(STOPPED)
    again = f"go on with `graphssl run --resume {escaped(stopped.run)}`" if stopped.run else "start it again"
    fail(f"graphssl: stopped by {stopped.signal} before a step was done; {again}", STOPPED)


class Said(logging.Handler):
    """Says on stderr what is logged, such as what is imported for a graph, before it is."""

    def emit(self, record: logging.LogRecord) -> None:
        if speaks() and not launched():  # the launcher has said it
            say(told(record.getMessage()), err=True)


def say_what_is_logged() -> None:
    """From here on what any room logs is said."""
    log = logging.getLogger(__name__.partition(".")[0])
    log.setLevel(logging.INFO)
    log.handlers = [Said()]


def output_is_taken() -> bool:
    """Whether stdout takes a line more; if not, it points nowhere from then on, and the last flush does not fail."""
    try:
        typer.echo()
    except OSError:
        say("")
        return False
    return True


def fail(message: str, code: int) -> NoReturn:
    say(message, err=True)
    sys.exit(code)
