"""The first steps: are the tables right, and into the store with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.core.report import Finding, Report
from kso_utils.media.movie import survey_footage
from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.ingest import populate
from kso_utils.metadata.tables import load_tables

if TYPE_CHECKING:
    import pandas as pd

    from kso_utils.project.opening import Project
    from kso_utils.store.rows import Counts


def check(project: Project) -> Report:
    """Check the project's tables, against its footage where that is at hand.

    Raises
    ------
    MetadataError
        If a table cannot be read at all.
    """
    return _look(project)[2]


def fill_store(project: Project) -> dict[str, Counts]:
    """Check tables and footage, then write sites, movies and species into the store, all or nothing.

    Returns
    -------
    dict
        Table -> rows inserted, updated and unchanged.

    Raises
    ------
    MetadataError
        If the check finds an error; it carries the report, and the store stays as it was.
    """
    tables, footage, report = _look(project)
    report.raise_if_errors()
    return populate(project.store, tables, footage)


def _look(project: Project) -> tuple[dict[str, pd.DataFrame], pd.DataFrame | None, Report]:
    settings = project.settings.tables
    tables = load_tables(
        project.tables_folder,
        columns=settings.columns or None,
        files=settings.files or None,
        dates=settings.dates,
        decimal=settings.decimal,
        time_zone=settings.time_zone or None,
        renames=settings.renames or None,
    )
    if project.archive.is_dir():
        footage = survey_footage(project.archive)
        return tables, footage, check_tables(tables, footage)
    report = check_tables(tables, None)
    report.add(
        Finding(
            "movies",
            None,
            None,
            "FOOTAGE_NOT_LOOKED_AT",
            "info",
            str(project.archive),
            f"There is no folder {project.archive}, so the files themselves were not looked at.",
            "Set archive.url in project.toml to the folder of the footage.",
        )
    )
    return tables, None, report
