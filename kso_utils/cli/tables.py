"""Commands about the tables of sites, movies and species."""

from __future__ import annotations

import argparse
from pathlib import Path

from kso_utils.cli.answers import Answer, Commands, format_counts, open_project


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
    brief = report.brief()
    if not args.verbose and any(str(finding) not in brief for finding in report):
        return Answer(f"{brief}\nAll of them: --verbose, or --csv FILE.", report, report.ok)
    return Answer(str(report), report, report.ok)


def _movies(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        counts = steps.fill_store(project, strict=args.strict)
    return Answer(format_counts(counts), counts)


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
}
