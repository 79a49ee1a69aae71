"""Commands about the tables of sites, movies and species."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.cli.answers import Answer, Argument, Commands, format_counts, open_project, shorten

if TYPE_CHECKING:
    from kso_utils.metadata.changes import Action, Change
    from kso_utils.metadata.edits import Edit
    from kso_utils.project.opening import Project


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
        project = Project.open(folder, "allow")
    report = steps.check(project, strict=args.strict)
    if args.csv:
        report.to_csv(args.csv)
    return Answer(str(report) if args.verbose else shorten(report, "--verbose, or --csv FILE"), report, report.ok)


def _movies(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args, "allow") as project:
        counts = steps.fill_store(project, strict=args.strict, replaced=args.replaced)
    return Answer(format_counts(counts), counts)


def _check_movies(args: argparse.Namespace) -> Answer:
    from kso_utils.media.checks import check_movies
    from kso_utils.media.survey import list_movies
    from kso_utils.project import steps

    if args.files:
        named = [[os.path.join(f, n) for n in list_movies(f)] if Path(f).is_dir() else [f] for f in args.files]
        report = check_movies([file for files in named for file in files], args.deep)
    else:
        with open_project(args, "allow") as project:
            report = steps.check_footage(project, args.deep)
    if args.csv:
        report.to_csv(args.csv)
    return Answer(str(report) if args.verbose else shorten(report, "--verbose, or --csv FILE"), report, report.ok)


def _taxa(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        taxa = steps.match_taxa(project, args.offline, args.refresh)
        written = steps.write_taxa(project)[0] if args.write else None
    lines = [str(taxa.report) if args.verbose else shorten(taxa.report, "--verbose")]
    if len(taxa.unpublishable):
        lines.append(f"Cannot be published ({len(taxa.unpublishable)} of {len(taxa.matches)} species):")
        rows = taxa.unpublishable[["vernacularName", "scientificName", "reason"]].fillna("no name")
        lines += [f"  {name} ({scientific}): {reason}" for name, scientific, reason in rows.itertuples(index=False)]
    if written is not None:
        lines.append(format_counts({"species": written}))
    values = {"report": taxa.report, "matches": taxa.matches, "unpublishable": taxa.unpublishable, "written": written}
    return Answer("\n".join(lines), values)


def _edit(args: argparse.Namespace) -> Answer:
    from kso_utils.metadata import edits
    from kso_utils.project import steps

    with open_project(args, "allow") as project:
        if args.history:
            rows = edits.history(project.store)
            return Answer(rows.to_string(index=False) if len(rows) else "There are no edits yet.", rows)
        if args.set_aside:
            return _set_aside(project, args)
        changes = _read_changes(args)
        done = steps.edit(project, changes, who=name_user(args), reason=args.reason, dry_run=args.dry_run)
    return _tell(done)


def _undo(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args, "allow") as project:
        return _tell(steps.undo(project, args.edit, who=name_user(args), reason=args.reason))


def _set_aside(project: Project, args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    files = steps.set_aside(project, who=name_user(args), reason=args.reason)
    text = "\n".join(f"Put aside as {file}." for file in files)
    return Answer(f"{text}\nThe tables are as the store knows them.".lstrip(), {"files": files})


def _read_changes(args: argparse.Namespace) -> list[Change]:
    """Return the changes that the arguments ask for."""
    from kso_utils.core.errors import ConfigError
    from kso_utils.metadata.changes import Change, load_changes

    if args.file:
        if args.what or args.add or args.remove:
            raise ConfigError("Give a file of corrections, or a change, not both.")
        return load_changes(args.file)
    table, key, *cells = [*args.what, "", ""][: max(2, len(args.what))]
    says = bool(cells or args.add or args.remove) and not (args.remove and (cells or args.add))
    if not table or not key or len(cells) % 2 or not says:
        raise ConfigError(
            "Say what to change: kso edit TABLE ROW COLUMN VALUE [COLUMN VALUE ...], kso edit TABLE ROW --remove, "
            "kso edit TABLE ROW [COLUMN VALUE ...] --add, or kso edit --file FILE."
        )
    action: Action = "add" if args.add else "remove" if args.remove else "set"
    pairs = list(zip(cells[::2], cells[1::2], strict=True))
    return [Change(table, key, column, value or None, action) for column, value in pairs] or [
        Change(table, key, action=action)
    ]


def name_user(args: argparse.Namespace) -> str | None:
    """Return who does it: the name given, else the user's."""
    return args.who or os.environ.get("USER") or os.environ.get("USERNAME")


def _tell(done: Edit) -> Answer:
    from kso_utils.metadata.changes import describe_difference

    said = [describe_difference(done.difference, shown=50), *map(str, done.report)]
    undone = f"Done as {done.edit_id}; undo it with: kso undo {done.edit_id}"
    said.append(undone if done.edit_id else "Nothing was changed.")
    values = {"edit_id": done.edit_id, "difference": done.difference, "findings": done.report}
    return Answer("\n".join(said), values)


WHY: list[Argument] = [
    (("--reason",), {"metavar": "TEXT", "help": "why, for the history"}),
    (("--who",), {"metavar": "NAME", "help": "who does it, for the history (default: the user's name)"}),
]
"""The arguments of commands that the history of edits tells of."""

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
        [
            (("--strict",), {"action": "store_true", "help": "stop at warnings too"}),
            (
                ("--replaced",),
                {
                    "nargs": "+",
                    "default": [],
                    "metavar": "NAME",
                    "help": "movies whose files were replaced on purpose: register the new ones",
                },
            ),
        ],
    ),
    "movies check": (
        "Check whether movies are whole: cut short, overwritten, damaged, or none at all.",
        _check_movies,
        [
            (
                ("files",),
                {
                    "nargs": "*",
                    "metavar": "FILE",
                    "help": "movies, folders of them, s3:// or https:// addresses (default: the project's movies)",
                },
            ),
            (
                ("--deep",),
                {
                    "action": "store_true",
                    "help": "decode picture and sound strictly; compare the project's movies with their sha256",
                },
            ),
            (("--csv",), {"metavar": "FILE", "help": "write the findings to a CSV file too"}),
        ],
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
    "edit": (
        "Change cells and rows of the tables, in the store and in their files.",
        _edit,
        [
            (
                ("what",),
                {
                    "nargs": "*",
                    "metavar": "TABLE ROW COLUMN VALUE",
                    "help": "as: movies 'a.mp4' fps 25; more columns with values may follow; '' empties a cell",
                },
            ),
            (("--add",), {"action": "store_true", "help": "add the row, with the values given"}),
            (("--remove",), {"action": "store_true", "help": "remove the row"}),
            (
                ("--file",),
                {"metavar": "FILE", "help": "corrections: a table with the columns table, key, column, value, action"},
            ),
            (("--dry-run",), {"action": "store_true", "help": "show what would change, and change nothing"}),
            (("--history",), {"action": "store_true", "help": "list the edits, the newest first"}),
            (
                ("--set-aside",),
                {"action": "store_true", "help": "put files that were changed by hand aside, write the store's back"},
            ),
            *WHY,
        ],
    ),
    "undo": (
        "Undo the last edit of the tables, or the one named.",
        _undo,
        [(("edit",), {"nargs": "?", "metavar": "EDIT", "help": "its id, as e12 (default: the last)"}), *WHY],
    ),
}
