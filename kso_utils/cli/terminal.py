"""The `kso` command itself: arguments in, one answer or one sentence of trouble out.

Exit codes: 0 done, 1 problems were found or something went wrong (one sentence says what), 2 bad usage.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from kso_utils.cli import (
    audits,
    consensus,
    followup,
    footage,
    intake,
    models,
    movies,
    people,
    projects,
    publishing,
    rehearsal,
    tables,
)
from kso_utils.cli.answers import Answer, Commands
from kso_utils.core import progress
from kso_utils.core.errors import KsoError, MetadataError
from kso_utils.core.report import Report
from kso_utils.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_PROJECT = {"init", "demo", "sandbox", "check-archive"}
_ROOMS = (projects, tables, movies, intake, footage, people, audits, consensus, followup, models, publishing, rehearsal)
COMMANDS: Commands = {name: command for room in _ROOMS for name, command in room.COMMANDS.items()}
"""Every command, in the order of the road; one of two words (`movies add`) comes after that of its first word."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING, format="%(levelname)s %(message)s")
    previous = progress.use(progress.Terminal())
    try:
        return _run(args)
    except BrokenPipeError:
        # Who read the output has seen enough; nothing more can be written there, not even at the end of the program.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        progress.use(previous)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="kso", description="From underwater footage to biological information, one step a command."
    )
    parser.add_argument("--version", action="version", version=f"kso_utils {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    parsers: dict[str, argparse.ArgumentParser] = {}
    groups = {"": commands}
    for name, (help_text, act, arguments) in COMMANDS.items():
        first, _, second = name.rpartition(" ")
        if first and first not in groups:
            groups[first] = parsers[first].add_subparsers(title="more commands", metavar="")
        parsers[name] = command = groups[first].add_parser(second, help=help_text, description=help_text)
        # A second word must not undo what was said before it.
        default: dict[str, Any] = {"default": argparse.SUPPRESS} if first else {}
        if name not in _NO_PROJECT:
            command.add_argument(
                "--project",
                **(default or {"default": "."}),
                metavar="FOLDER",
                help="project folder or listed name (default: here)",
            )
        for flags, options in arguments:
            command.add_argument(*flags, **options)
        command.add_argument("--json", action="store_true", help="print the result as JSON", **default)
        command.add_argument("--verbose", action="store_true", help="say more on the way", **default)
        command.set_defaults(act=act)
    return parser


def _run(args: argparse.Namespace) -> int:
    try:
        answer: Answer = args.act(args)
        _write(_format_json(answer.values) if args.json else answer.text)
        if answer.trouble:
            sys.stderr.write(f"kso: {answer.trouble}\n")
    except BrokenPipeError:
        raise
    except KsoError as error:
        return _fail(args, error, str(error))
    except OSError as error:
        return _fail(args, error, _explain(error))
    except KeyboardInterrupt as error:
        return _fail(args, error, "Stopped. What was done is kept; run the same command again to go on.", 130)
    return 0 if answer.ok and not answer.trouble else 1


def _write(text: str) -> None:
    # Names of files may hold what no encoding has.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.rstrip("\n").encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()


def _fail(args: argparse.Namespace, error: BaseException, message: str, code: int = 1) -> int:
    if args.json:
        values = {"error": type(error).__name__, "message": message}
        report = error.report if isinstance(error, MetadataError) else None
        _write(_format_json(values if report is None else {**values, "findings": report}))
    sys.stderr.write(f"kso: {message}\n")
    return code


def _explain(error: OSError) -> str:
    place = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"The disk is full{place}. Make room and run the same command again; nothing is lost."
    return f"{error.strerror or error}{place}."


def _format_json(values: Any) -> str:
    return json.dumps(_plain(values), ensure_ascii=False, indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    """Make a value one that JSON knows: tables and reports are lists of rows, what is missing or not finite is null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Report):
        return value.rows()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if hasattr(value, "to_dict"):
        return _plain(value.to_dict("records"))
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    return None if str(value) in ("NaT", "<NA>") else str(value)
