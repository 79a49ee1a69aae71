"""Commands that add new footage to a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kso_utils.cli.answers import Answer, Argument, Commands, count_told, open_project, tell_failure
from kso_utils.cli.tables import WHY, name_user

if TYPE_CHECKING:
    import argparse

    import pandas as pd


def _add_movies(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        added = steps.add_movies(
            project,
            args.files,
            **_options(args),
            chapters=args.chapters,
            standard=not args.no_standardise,
            allow_gaps=args.allow_gaps,
        )
    return _tell(added, "movie")


def _add_photos(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        added = steps.add_photos(project, args.files, **_options(args))
    return _tell(added, "photo")


def _options(args: argparse.Namespace) -> dict[str, Any]:
    return {
        **{"site": args.site, "date": args.date, "values": _read_values(args.set or []), "folder": args.into},
        **{"who": name_user(args), "reason": args.reason, "dry_run": args.dry_run},
    }


def _read_values(pairs: list[str]) -> dict[str, str | None]:
    from kso_utils.core.errors import ConfigError

    values: dict[str, str | None] = {}
    for pair in pairs:
        column, mark, value = pair.partition("=")
        if not mark or not column:
            raise ConfigError(f"--set {pair}: write COLUMN=VALUE, as in --set recordedBy=Ann")
        values[column.strip()] = value or None
    return values


def _tell(added: pd.DataFrame, noun: str) -> Answer:
    """Say what became of each file, what a person should know of it, and how to undo it."""
    lines = []
    for row in added.to_dict("records"):
        sources = " + ".join(row["sources"])
        became = tell_failure(sources, row["error"]) if row["error"] else f"{sources} -> {row['filename']}"
        lines.append(f"{row['state']:8} {became}")
        lines += [f"         {note}" for note in row["notes"]]
    states = added["state"].value_counts()
    counts = ", ".join(f"{states[state]} {word}" for state, word in _SAID.items() if state in states)
    lines.append(f"{noun.capitalize()}s: {counts}.")
    edit = next((one for one in added["edit_id"] if one), None)
    if edit:
        lines.append(f"Done as {edit}; the rows are taken back with: kso undo {edit}")
    return Answer("\n".join(lines), added, trouble=count_told(states.get("failed", 0), len(added), noun))


_SAID = {"added": "added", "there": "there already", "planned": "would be added", "failed": "failed"}


def _arguments(folder: str, more: list[Argument]) -> list[Argument]:
    return [
        (("files",), {"nargs": "+", "metavar": "FILE", "help": "files or folders of them; they stay as they are"}),
        (("--site",), {"required": True, "help": "where: a site of the table of sites, by its name or locationID"}),
        (("--date",), {"help": "when, as 2024-05-01 or 2024-05-01T10:30:00 (default: what the camera says)"}),
        (
            ("--set",),
            {"action": "append", "metavar": "COLUMN=VALUE", "help": "a value for every row; may be given again"},
        ),
        (
            ("--into",),
            {
                "default": folder,
                "metavar": "FOLDER",
                "help": f"folder of the archive for the files (default: {folder or 'none'})",
            },
        ),
        *more,
        (("--dry-run",), {"action": "store_true", "help": "look at the files, show what would happen, change nothing"}),
        *WHY,
    ]


COMMANDS: Commands = {
    "movies add": (
        "Add movies: check, join and convert them where needed, copy them into the archive, write their rows.",
        _add_movies,
        _arguments(
            "",
            [
                (
                    ("--chapters",),
                    {
                        "choices": ("auto", "together", "apart"),
                        "default": "auto",
                        "help": "join the chapters of GoPro recordings (default), all files into one, or none",
                    },
                ),
                (("--allow-gaps",), {"action": "store_true", "help": "join although chapters or time are missing"}),
                (("--no-standardise",), {"action": "store_true", "help": "keep the files as the camera wrote them"}),
            ],
        ),
    ),
    "photos": (
        "Add photos: check them, copy them into the archive, write their rows.",
        _add_photos,
        _arguments("photos", []),
    ),
}
