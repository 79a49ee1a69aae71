"""Commands about the tables of sites, movies and species."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.cli.answers import Answer, Commands, format_counts, open_project

if TYPE_CHECKING:
    from kso_utils.core.report import Report


def _check(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps
    from kso_utils.project.opening import Project
    from kso_utils.project.settings import FILE_NAME, Settings, load_settings

    folder = Path(args.folder if args.folder is not None else args.project)
    if args.settings:
        project = Project(folder.resolve(), load_settings(args.settings))
    elif args.folder is not None and not (folder / FILE_NAME).exists() and folder.is_dir():
        project = Project(folder.resolve(), Settings(name=folder.resolve().name))
    else:
        project = Project.open(folder)
    report = steps.check(project, strict=args.strict)
    if args.csv:
        report.to_csv(args.csv)
    return Answer(str(report) if args.verbose else _shorten(report, "--verbose, or --csv FILE"), report, report.ok)


def _shorten(report: Report, whole: str) -> str:
    """Return the report with a few findings of each kind, and how to see them all where some are left out."""
    brief = report.brief()
    return f"{brief}\nAll of them: {whole}." if any(str(finding) not in brief for finding in report) else str(report)


def _movies(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        counts = steps.fill_store(project, strict=args.strict)
    return Answer(format_counts(counts), counts)


def _taxa(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        taxa = steps.match_taxa(project, args.offline, args.refresh)
        written = steps.write_taxa(project)[0] if args.write else None
    lines = [str(taxa.report) if args.verbose else _shorten(taxa.report, "--verbose")]
    if len(taxa.unpublishable):
        lines.append(f"Cannot be published ({len(taxa.unpublishable)} of {len(taxa.matches)} species):")
        rows = taxa.unpublishable[["vernacularName", "scientificName", "reason"]].fillna("no name")
        lines += [f"  {name} ({scientific}): {reason}" for name, scientific, reason in rows.itertuples(index=False)]
    if written is not None:
        lines.append(format_counts({"species": written}))
    values = {"report": taxa.report, "matches": taxa.matches, "unpublishable": taxa.unpublishable, "written": written}
    return Answer("\n".join(lines), values)


COMMANDS: Commands = {
    "check": (
        "Check the tables, and the footage where it is at hand; store nothing.",
        _check,
        [
            (("folder",), {"nargs": "?", "help": "project folder, or a folder of tables (default: --project)"}),
            (("--settings",), {"metavar": "FILE", "help": "settings file to use for that folder"}),
            (("--strict",), {"action": "store_true", "help": "take warnings for errors"}),
            (("--csv",), {"metavar": "FILE", "help": "write the findings to a CSV file too"}),
        ],
    ),
    "movies": (
        "Look at the footage and fill the store with sites, movies and species.",
        _movies,
        [(("--strict",), {"action": "store_true", "help": "stop at warnings too"})],
    ),
    "taxa": (
        "Match the species to the World Register of Marine Species, and say what cannot be published.",
        _taxa,
        [
            (("--offline",), {"action": "store_true", "help": "use only what was answered before"}),
            (("--refresh",), {"action": "store_true", "help": "ask again about names that were answered before"}),
            (("--write",), {"action": "store_true", "help": "fill empty cells of the store's species by the answers"}),
        ],
    ),
}
