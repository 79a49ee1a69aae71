"""Where subjects come from: the project's own knowledge of their names, and matching them to movies again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.core.paths import find_inside
from kso_utils.core.report import Report
from kso_utils.metadata.renames import follow_renames, load_renames
from kso_utils.zooniverse.matching.duplicates import load_duplicates
from kso_utils.zooniverse.origins import OriginRules, match_again, read_known

if TYPE_CHECKING:
    from kso_utils.project.opening import Project
    from kso_utils.store.rows import Counts


def origin_rules(project: Project) -> OriginRules:
    """Return what the settings know of the names in subjects.

    Raises
    ------
    MetadataError
        If the list of renames cannot be read.
    """
    renames = {}
    if name := project.settings.tables.renames:
        path = find_inside(project.tables_folder, name)
        renames = follow_renames(load_renames(path), path)
    return OriginRules(tuple(project.settings.zooniverse.eras), renames)


def read_duplicates(project: Project) -> dict[int, int]:
    """Return the duplicates that the settings name a table of, as `load_duplicates`; none where they name no table.

    Raises
    ------
    MetadataError
        If the table cannot be read, or is wrong.
    """
    name = project.settings.zooniverse.duplicates
    return load_duplicates(find_inside(project.tables_folder, name)) if name else {}


def match_subjects(project: Project) -> tuple[Counts, Report]:
    """Match the subjects whose movie was not known again: it may have come since they were pulled.

    Returns
    -------
    Counts
        Subjects that have their movie now.
    Report
        Those that have none still, and why.
    """
    report = Report("Subjects without a movie")
    return match_again(project.store, read_known(project.store, origin_rules(project)), report), report
