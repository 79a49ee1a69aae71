"""Commands that make movies of movies: standard ones, whole recordings, previews."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kso_utils.cli.answers import COUNT, Answer, Argument, Commands, count_told, open_project, tell_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from kso_utils.project.steps.conversion import Movies


def _standardise(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    return _tell(_for_movies(args, lambda movies: steps.standardise_movies(movies, args.out)), "movie")


def _join(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    return _tell(_for_movies(args, lambda m: steps.join_recordings(m, args.out, args.allow_gaps)), "recording")


def _preview(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    return _tell(_for_movies(args, lambda movies: steps.preview_movies(movies, args.out, args.height)), "preview")


def _for_movies(args: argparse.Namespace, make: Callable[[Movies], pd.DataFrame]) -> pd.DataFrame:
    """Work on the files named, which needs no project, or on those of the project."""
    if args.files:
        return make(args.files)
    with open_project(args) as project:
        return make(project)


def _tell(made: pd.DataFrame, noun: str) -> Answer:
    known = {"standard": "standard already", "alone": "one file, nothing to join"}
    lines = []
    for row in made.to_dict("records"):
        if row["state"] == "failed":
            lines.append(tell_failure(row["source"], row["error"]))
            continue
        became = known.get(row["state"], f"{row['state']}, {row['path']}")
        lines.append(f"{row['source']}: {became}" + (f" ({row['why']})" if row["why"] else ""))
    failed = int((made["state"] == "failed").sum())
    return Answer("\n".join(lines), made, trouble=count_told(failed, len(made), noun))


_FILES: Argument = (("files",), {"nargs": "*", "metavar": "FILE", "help": "movies (default: those of the project)"})
_OUT: Argument = (("--out",), {"required": True, "metavar": "FOLDER", "help": "where to write what is made"})

COMMANDS: Commands = {
    "movies standardise": (
        "Make movies that every browser plays, only of those that need it; the movies themselves stay.",
        _standardise,
        [_FILES, _OUT],
    ),
    "movies join": (
        "Join the chapters of GoPro recordings, or the files named, without loss.",
        _join,
        [
            (
                ("files",),
                {
                    "nargs": "*",
                    "metavar": "FILE",
                    "help": "chapters in their order, or folders of GoPro files (default: the project's archive)",
                },
            ),
            _OUT,
            (("--allow-gaps",), {"action": "store_true", "help": "join although chapters or time are missing"}),
        ],
    ),
    "movies preview": (
        "Make small movies that are quick to look through.",
        _preview,
        [
            _FILES,
            _OUT,
            (("--height",), {"type": COUNT, "default": 360, "metavar": "PIXELS", "help": "height (default: 360)"}),
        ],
    ),
}
