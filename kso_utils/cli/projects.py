"""Commands that make a project and look after it."""

from __future__ import annotations

import argparse

from kso_utils.cli.answers import Answer, Commands, open_project


def _init(args: argparse.Namespace) -> Answer:
    from kso_utils.project.opening import Project

    with Project.create(args.folder, args.name) as project:
        text = (
            f"Made the project {project.settings.name!r} in {project.folder}.\n"
            f"Fill in sites.csv, movies.csv and species.csv, put the footage into {project.settings.archive.url}/, "
            "then run: kso check"
        )
        return Answer(text, {"folder": str(project.folder), "name": project.settings.name})


def _info(args: argparse.Namespace) -> Answer:
    from kso_utils.project import inspection

    with open_project(args, "allow") as project:
        values = inspection.describe(project)
    return Answer("\n".join(f"{k}: {v}" for k, v in values.items()), values)


def _doctor(args: argparse.Namespace) -> Answer:
    from kso_utils.project import inspection

    with open_project(args, "allow") as project:
        report = inspection.diagnose(project)
    return Answer(str(report), report, report.ok)


COMMANDS: Commands = {
    "init": (
        "Make a new project folder.",
        _init,
        [(("folder",), {"help": "the folder to make"}), (("--name",), {"help": "name of the project"})],
    ),
    "info": ("Tell what is in a project.", _info, []),
    "doctor": ("Examine the installation and a project's store, files and unfinished work.", _doctor, []),
}
