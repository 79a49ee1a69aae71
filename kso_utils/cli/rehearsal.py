"""Commands that rehearse the road without a project of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from kso_utils.cli.answers import NATURAL, PORT, POSITIVE, SEED, Answer, Commands, say


def _demo(args: argparse.Namespace) -> Answer:
    from kso_utils import demo

    if args.fixture:
        folder = demo.make_fixture(Path(args.fixture))
        return Answer(f"A small finished project is in {folder}", {"folder": str(folder)})
    result = demo.walk(Path(args.out), Path(args.footage) if args.footage else None, args.level, args.seed, say)
    return Answer(str(result), result, result.ok)


def _sandbox(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps
    from kso_utils.project.opening import Project
    from kso_utils.zooniverse import sandbox

    users = None if args.users is None else sandbox.read_users(Path(args.users))

    def announce(running: sandbox.Sandbox) -> None:
        joined = None
        if args.rehearse:
            with Project.open(args.rehearse) as project:
                joined = steps.join_sandbox(project, running)
        say(f"The sandbox runs at {running.url} (state in {args.state}). Stop it with Ctrl-C.")
        say("Open that address in a browser to see what was uploaded, and to classify it.")
        if users is None:
            say("Log in with PANOPTES_USERNAME=demo and PANOPTES_PASSWORD=demo.")
        else:
            say(f"Log in as {', '.join(users)}, with the password of {args.users}.")
        if joined is not None:
            say(f"{args.rehearse} is project {joined.project_id} there, which its project.toml now says.")

    throttle_s = sandbox.DAY_S if args.throttle else 0.0
    sandbox.run(args.state, args.port, announce, users, args.latency, throttle_s, args.volunteers)
    return Answer("The sandbox has stopped; its state is kept.", {"state": args.state})


COMMANDS: Commands = {
    "demo": (
        "Walk the whole road on generated or given footage and write a report.",
        _demo,
        [
            (("--footage",), {"metavar": "DIR", "help": "real movies instead of generated ones"}),
            (
                ("--out",),
                {"metavar": "DIR", "default": "demo_out", "help": "where everything goes (default: demo_out)"},
            ),
            (
                ("--level",),
                {"choices": ["easy", "hard"], "default": "easy", "help": "generated footage (default: easy)"},
            ),
            SEED,
            (("--fixture",), {"metavar": "DIR", "help": "only make a small finished project there"}),
        ],
    ),
    "sandbox": (
        "Start a local stand-in for Zooniverse, to rehearse without an account.",
        _sandbox,
        [
            (
                ("--state",),
                {"default": "sandbox.db", "metavar": "FILE", "help": "file of its state (default: sandbox.db)"},
            ),
            (("--port",), {"type": PORT, "default": 8910, "help": "port on this machine (default: 8910)"}),
            (
                ("--rehearse",),
                {"metavar": "DIR", "help": "give the project in this folder its place there, to try everything out"},
            ),
            (("--users",), {"metavar": "FILE", "help": "who may log in, lines name:password (default: demo:demo)"}),
            (
                ("--latency",),
                {"type": POSITIVE, "default": 0.0, "metavar": "S", "help": "wait so many seconds before each answer"},
            ),
            (
                ("--volunteers",),
                {
                    "type": NATURAL,
                    "default": 0,
                    "metavar": "N",
                    "help": "so many simulated people classify what is uploaded, by chance (default: 0)",
                },
            ),
            (("--throttle",), {"action": "store_true", "help": "make an export once a day only, as Zooniverse does"}),
        ],
    ),
}
