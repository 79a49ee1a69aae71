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
    from kso_utils.core.errors import NotFound
    from kso_utils.project import inspection, steps

    try:
        project = open_project(args, "allow")
    except NotFound:
        # Here, where no project was asked for, the installation alone is examined.
        if args.project != ".":
            raise
        report = inspection.diagnose_installation()
        return Answer(
            f"{report}\nThere is no project here; name one with --project to examine it too.", report, report.ok
        )
    with project:
        removed = steps.clean_up(project) if args.clean_up else []
        report = inspection.diagnose(project, args.deep)
    told = [f"Removed what was left of an interrupted copy: {name}" for name in removed]
    return Answer("\n".join([*told, str(report)]), report, report.ok)


def _backup(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args, "allow") as project:
        copy = steps.back_up(project, args.file)
    return Answer(f"Copied the store to {copy}", {"backup": str(copy)})


def _restore(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args, "allow") as project:
        aside = steps.restore(project, args.file, args.replace)
    kept = "" if aside is None else f"\nThe store that was there is kept as {aside}"
    text = (
        f"The store is that of {args.file} again.{kept}\nThe tables may tell of later changes; compare with: kso check"
    )
    return Answer(text, {"restored": args.file, "kept": None if aside is None else str(aside)})


COMMANDS: Commands = {
    "init": (
        "Make a new project folder.",
        _init,
        [(("folder",), {"help": "the folder to make"}), (("--name",), {"help": "name of the project"})],
    ),
    "info": ("Tell what is in a project.", _info, []),
    "doctor": (
        "Examine the installation and a project's store, files and unfinished work.",
        _doctor,
        [
            (
                ("--deep",),
                {"action": "store_true", "help": "read every file that the store names and compare its content"},
            ),
            (
                ("--clean-up",),
                {
                    "action": "store_true",
                    "help": "remove from the archive what copies left that were interrupted more than a week ago",
                },
            ),
        ],
    ),
    "backup": (
        "Copy the store, while others may write to it.",
        _backup,
        [(("file",), {"nargs": "?", "help": "the copy (default: backups/kso-TIME.db in the project)"})],
    ),
    "restore": (
        "Put a copy of the store into its place.",
        _restore,
        [
            (("file",), {"help": "the copy"}),
            (("--replace",), {"action": "store_true", "help": "keep the store that is there under another name"}),
        ],
    ),
}
