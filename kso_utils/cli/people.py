"""Commands that send subjects to volunteers, and find what they agree on."""

from __future__ import annotations

import argparse
from contextlib import nullcontext

from kso_utils.cli.answers import COUNT, POSITIVE, SHARE, Answer, Commands, count_failures, format_counts, open_project


def _upload(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project, nullcontext() if args.dry_run else project.zooniverse() as session:
        states = steps.upload(project, session, args.kind, args.set, args.workers, args.dry_run)
    counts = states["state"].value_counts()
    text = ", ".join(f"{n} {state}" for state, n in counts.items()) or "nothing to upload"
    failed = states[states["state"] == "failed"]
    return Answer(text, states, trouble=count_failures(failed["reason"], "subject"))


def _pull(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project, nullcontext() if args.exports else project.zooniverse() as session:
        pulled = steps.pull(project, session, args.exports, args.wait, args.ask, args.workflow)
    return Answer(f"{format_counts(pulled.counts)}\n{pulled.report.brief()}", pulled, pulled.report.ok)


def _aggregate(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        result = steps.aggregate(project, args.kind, args.agreement, args.min_people)
    agreed = result.rows[result.rows["agreed"]]
    what = "species in clips" if args.kind == "clip" else "boxes"
    lines = [f"Run {result.run_id}: volunteers agree on {len(agreed)} of {len(result.rows)} {what}."]
    lines += [f"  {label}: {n}" for label, n in agreed["label"].value_counts().items()]
    if result.unmatched:
        lines.append(f"Labels that name no species of the store, or several: {', '.join(result.unmatched)}")
    return Answer("\n".join(lines), result)


_KIND = (("kind",), {"choices": ["clip", "frame"], "help": "clips, or frames"})

COMMANDS: Commands = {
    "upload": (
        "Upload clips or frames to Zooniverse; an interrupted upload goes on where it stopped.",
        _upload,
        [
            _KIND,
            (("--set",), {"metavar": "NAME", "help": "name of the subject set"}),
            (("--workers",), {"type": COUNT, "default": 8, "help": "uploads at a time (default: 8)"}),
            (("--dry-run",), {"action": "store_true", "help": "check and show the plan, send nothing"}),
        ],
    ),
    "pull": (
        "Fetch the classifications from Zooniverse into the store.",
        _pull,
        [
            (("--exports",), {"metavar": "FOLDER", "help": "take in the exports that were downloaded into a folder"}),
            (("--wait",), {"type": POSITIVE, "default": 3600.0, "metavar": "S", "help": "seconds to wait for each"}),
            (
                ("--new",),
                {
                    **{"dest": "ask", "action": "store_const", "const": "always", "default": "due"},
                    "help": "ask for new exports even if the last are younger than 12 hours",
                },
            ),
            (
                ("--latest",),
                {
                    "dest": "ask",
                    "action": "store_const",
                    "const": "never",
                    "help": "take the last exports, ask for none",
                },
            ),
            (
                ("--workflow",),
                {
                    **{"type": COUNT, "action": "append", "default": [], "metavar": "ID"},
                    "help": "fetch the classifications of this workflow only; may be repeated",
                },
            ),
        ],
    ),
    "aggregate": (
        "Find what the volunteers agree on.",
        _aggregate,
        [
            _KIND,
            (("--agreement",), {"type": SHARE, "metavar": "SHARE", "help": "share of people (default: project.toml)"}),
            (("--min-people",), {"type": COUNT, "metavar": "N", "help": "people who must have looked"}),
        ],
    ),
}
