"""What commands share: their answers, how they open a project, and how they read their arguments."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kso_utils.core.report import Report
    from kso_utils.project.opening import Project
    from kso_utils.store.rows import Counts

Argument = tuple[tuple[str, ...], dict[str, Any]]
Commands = dict[str, tuple[str, Callable[[argparse.Namespace], "Answer"], list[Argument]]]
"""Name -> what the command does in one sentence, the function, and the arguments as `add_argument` takes them."""


@dataclass(frozen=True)
class Answer:
    """What a command has to say.

    Attributes
    ----------
    text, values
        The result for people, and for machines.
    ok
        Whether all is well.
    trouble
        What went wrong with a part of the work, in one sentence; then all is not well.
    """

    text: str
    values: Any
    ok: bool = True
    trouble: str = ""


def open_project(args: argparse.Namespace, changed_tables: Literal["refuse", "allow"] = "refuse") -> Project:
    """Return the project that the arguments name; `changed_tables` as in `Project.open`."""
    from kso_utils.project.opening import Project

    return Project.open(args.project, changed_tables)


def say(text: str) -> None:
    """Tell something on the way; not on the standard output, which is for the result."""
    sys.stderr.write(text + "\n")


def format_counts(counts: Mapping[str, Counts]) -> str:
    """Return a line a table: rows that are new, changed, as before, and removed where some were."""
    return "\n".join(
        f"{table}: {c.inserted} new, {c.updated} changed, {c.unchanged} as before"
        + (f", {c.removed} removed" if c.removed else "")
        for table, c in counts.items()
    )


def shorten(report: Report, whole: str) -> str:
    """Return the report with a few findings of each kind, and how to see them all where some are left out."""
    brief = report.brief()
    return f"{brief}\nAll of them: {whole}." if any(str(finding) not in brief for finding in report) else str(report)


def count_failures(reasons: Iterable[str], noun: str) -> str:
    """Return a sentence on how many things (`noun`, of one) failed, with the first reason; nothing if nothing did."""
    said = list(reasons)
    return f"{len(said)} {noun}{'s' * (len(said) > 1)} failed. {said[0]}" if said else ""


def count_told(failed: int, total: int, noun: str) -> str:
    """Return a sentence on how many of all failed, where each reason is told already; nothing if none did."""
    return f"{failed} of {total} {noun}{'s' * (total > 1)} failed." if failed else ""


def tell_failure(name: str, reason: str) -> str:
    """Return a line on what failed, which names it once."""
    return reason if name in reason else f"{name}: {reason}"


def number_reader(kind: type[int] | type[float], fits: Callable[[float], bool], wanted: str) -> Callable[[str], float]:
    """Return what reads an argument as a number, and refuses one that does not fit."""

    def read(text: str) -> float:
        try:
            value: float = kind(text)
        except ValueError:
            value = math.nan
        if not fits(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return value

    return read


COUNT = number_reader(int, lambda value: value >= 1, "a whole number from 1 on")
NATURAL = number_reader(int, lambda value: value >= 0, "a whole number from 0 on")
PORT = number_reader(int, lambda value: 0 <= value < 65536, "a port, 0 to 65535")
POSITIVE = number_reader(float, lambda value: 0 < value < math.inf, "a number above 0")
SHARE = number_reader(float, lambda value: 0 < value <= 1, "a number above 0, at most 1")
SEED = (("--seed",), {"type": NATURAL, "default": 0, "help": "seed of everything random (default: 0)"})
KIND = (("kind",), {"choices": ["clip", "frame"], "help": "clips, or frames"})
