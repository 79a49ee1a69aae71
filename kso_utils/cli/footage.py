"""Commands that cut clips and save frames."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kso_utils.cli.answers import COUNT, NATURAL, POSITIVE, Answer, Commands, count_failures, open_project

if TYPE_CHECKING:
    import pandas as pd


def _clips(args: argparse.Namespace) -> Answer:
    from kso_utils.media.modifications import read_modifications
    from kso_utils.project import steps

    modifications = read_modifications(args.modify) if args.modify else None
    with open_project(args) as project:
        made = steps.cut_clips(
            project,
            args.length,
            args.per_movie,
            args.seed,
            args.jobs,
            args.by_detections,
            modifications,
            args.max_mb,
            args.tail,
        )
    return _made(made, "clip", "Earlier clips take every place, or what is free is shorter than a clip (--length).")


def _frames(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        made = steps.extract_frames(project, args.per_clip)
    return _made(made, "frame", "All frames of agreed clips are saved already (--per-clip takes more).")


def _run(text: str) -> int | str:
    return text if text == "latest" else int(COUNT(text))


def _made(made: pd.DataFrame, noun: str, why_none: str) -> Answer:
    failed = made[made["state"] == "failed"] if "state" in made else made.iloc[:0]
    new, movies = len(made) - len(failed), made.drop(failed.index)["movie_id"].nunique()
    text = f"{new} new {noun}{'s' * (new != 1)} from {movies} movie{'s' * (movies != 1)}."
    text += "" if len(made) else f" {why_none}"
    return Answer(text, made, trouble=count_failures(failed.get("error", []), noun))


COMMANDS: Commands = {
    "clips": (
        "Cut clips that do not overlap earlier ones.",
        _clips,
        [
            (("--length",), {"type": POSITIVE, "metavar": "S", "help": "seconds a clip (default: project.toml)"}),
            (
                ("--per-movie",),
                {
                    "type": COUNT,
                    "metavar": "N",
                    "help": "clips a movie, earlier ones counted in (default: all that fit)",
                },
            ),
            (("--seed",), {"type": NATURAL, "help": "choose places at random with this seed (default: evenly)"}),
            (
                ("--by-detections",),
                {
                    "type": _run,
                    "nargs": "?",
                    "const": "latest",
                    "metavar": "RUN",
                    "help": "choose the places where a detection run saw most (default: the latest run)",
                },
            ),
            (
                ("--tail",),
                {
                    "choices": ["drop", "keep"],
                    "default": "drop",
                    "help": "what becomes of an end too short for a clip (default: drop)",
                },
            ),
            (
                ("--modify",),
                {
                    "action": "append",
                    "metavar": "WHAT",
                    "help": "what to do to the pictures, in this order: curves, adjust, denoise, blur, cover, scale, "
                    "speed, compress, with values as in scale:height=720; or a file *.toml (default: project.toml)",
                },
            ),
            (("--max-mb",), {"type": POSITIVE, "metavar": "MB", "help": "no clip larger than so many megabytes"}),
            (("--jobs",), {"type": COUNT, "metavar": "N", "help": "clips cut at a time (default: one a core)"}),
        ],
    ),
    "frames": (
        "Save frames from the clips in which volunteers agreed on a species.",
        _frames,
        [(("--per-clip",), {"type": COUNT, "metavar": "N", "help": "frames a clip (default: project.toml)"})],
    ),
}
