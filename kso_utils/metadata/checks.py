"""Are the tables right? Every rule of the rulebook, run over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.core.report import Report
from kso_utils.metadata.rulebook import (
    cells,
    columns,
    dates,
    filenames,
    files,
    keys,
    places,
    positions,
    reading,
    species,
    taxonomy,
    texts,
    times,
)
from kso_utils.metadata.rules import CHECKS, Check
from kso_utils.metadata.terms import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

RULEBOOK = (
    columns, reading, cells, texts, keys, filenames, positions, places, dates, times, species, taxonomy, files,
)  # fmt: skip
"""The modules of rules, in the order in which they run."""


def list_checks() -> list[Check]:
    """Return every check, in the order in which they run."""
    return [c for subject in RULEBOOK for c in CHECKS.values() if c.find.__module__ == subject.__name__]


def check_tables(
    tables: Mapping[str, pd.DataFrame], footage: pd.DataFrame | None = None, strict: bool = False
) -> Report:
    """Run every check.

    Parameters
    ----------
    tables
        Table -> rows, as `load_tables` gives them or made otherwise with the same columns.
    footage
        The files that there are, one row each: `filename` and any of `fps_num`, `fps_den`, `duration_s`, `sha256`,
        `created_at`, `error` (a text, where the file could not be read). Without it, nothing is said about files.

    strict
        Whether every warning becomes an error.

    Returns
    -------
    Report
        Findings with the line of the file; an `error` would make the store wrong, a `warning` is suspicious or
        cannot be published.
    """
    known = {name: tables[name] for name in TABLES if name in tables}
    report = Report("Tables")
    for rule in list_checks():
        report.extend(rule.run(known, footage))
    return report.strict() if strict else report
