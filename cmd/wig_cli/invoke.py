"""Running one command: from its result or its failure to an exit code.

Called by `main` when the command line made sense. Every failure becomes one line and a hint; a
traceback is a defect, and is shown with `-v` only.
"""

import argparse
import asyncio
import gc
import logging
import os
import sys
import traceback
from importlib import import_module

from wig import errors
from wig_cli import log_format, output
from wig_cli.arguments import UsageError, loaded

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
EXIT_PIPE_CLOSED = 141  # 128 + SIGPIPE: `wig peer list | head` is no failure of ours

EXIT_CODES: dict[type[errors.WigError], int] = {
    errors.Fenced: 78,  # EX_CONFIG, sysexits.h: a unit must not restart it
    errors.WrongRole: 78,
    errors.Foreign: 78,
    errors.Temporary: EXIT_UNREACHABLE,
    errors.WigError: EXIT_FAILED,
}
"""The first that fits."""


def invoke(options: argparse.Namespace) -> int:
    """Run `options.run` and return the exit code."""
    _start_logging(options)
    try:
        code = _run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader went away; without this, Python complains again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place: a person gets a sentence
        return _failed(options, error)
    return code


def _failed(options: argparse.Namespace, error: Exception) -> int:
    """Report what went wrong, and return the exit code."""
    match error:
        case UsageError():
            output.failure(options, code="usage", message=error.message, hint=error.hint)
            return EXIT_USAGE
        case errors.WigError():
            output.failure(
                options, code=error.code, message=error.message, field=error.field, hint=error.hint
            )
            return next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
        case OSError():
            message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            output.failure(options, code="unusable", message=message)
        case _:
            output.failure(
                options, code="defect", hint=_REPORT,
                message=f"this is a defect of wig: {type(error).__name__}: {error}",
            )  # fmt: skip
            if getattr(options, "verbose", 0):
                traceback.print_exception(error)
    return EXIT_FAILED


_REPORT = "-v shows where; please report it, with the output of `wig version`"


def _run(options: argparse.Namespace) -> int:
    if options.check is not None:
        loaded(options.check)(options)
    if isinstance(options.run, str):
        options.run = loaded(options.run)
    if options.remote:
        remote = import_module("wig_cli.remote")
        gc.freeze()
        gc.enable()
        result = asyncio.run(remote.call(options))
    else:
        gc.enable()
        result = options.run(options)
    return result if isinstance(result, int) else 0


LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)


def _start_logging(options: argparse.Namespace) -> None:
    """Begin where the command does, and say more for each -v."""
    said = options.loudness + getattr(options, "verbose", 0)
    log_format.start(LEVELS[min(said, len(LEVELS) - 1)])
