"""The `kso` command: the steps of the road from a terminal.

Exit codes: 0 done, 1 problems were found or something went wrong (one sentence says what), 2 bad usage.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import sys
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kso_utils.core import progress
from kso_utils.core.errors import KsoError
from kso_utils.core.report import Report
from kso_utils.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from kso_utils.project.opening import Project


@dataclass(frozen=True)
class Answer:
    """What a command has to say: text for people, values for machines, and whether all is well."""

    text: str
    values: Any
    ok: bool = True


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING, format="%(levelname)s %(message)s")
    progress.use(progress.Terminal())
    try:
        answer: Answer = args.run(args)
    except KsoError as error:
        return _fail(args, str(error), type(error).__name__)
    except OSError as error:
        return _fail(args, _explain(error), type(error).__name__)
    except KeyboardInterrupt:
        return _fail(args, "Stopped. What was done is kept; run the same command again to go on.", "Interrupted", 130)
    text = json.dumps(answer.values, ensure_ascii=False, indent=1, default=_plain) if args.json else answer.text
    sys.stdout.write(text.rstrip("\n") + "\n")
    return 0 if answer.ok else 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="kso", description="From underwater footage to biological information, one step a command."
    )
    parser.add_argument("--version", action="version", version=f"kso_utils {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (help_text, run, arguments) in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text)
        if name not in _NO_PROJECT:
            command.add_argument(
                "--project", default=".", metavar="FOLDER", help="project folder or listed name (default: here)"
            )
        for flags, options in arguments:
            command.add_argument(*flags, **options)
        command.add_argument("--json", action="store_true", help="print the result as JSON")
        command.add_argument("--verbose", action="store_true", help="say more on the way")
        command.set_defaults(run=run)
    return parser


def _fail(args: argparse.Namespace, message: str, kind: str, code: int = 1) -> int:
    if args.json:
        sys.stdout.write(json.dumps({"error": kind, "message": message}, ensure_ascii=False) + "\n")
    sys.stderr.write(f"kso: {message}\n")
    return code


def _explain(error: OSError) -> str:
    place = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"The disk is full{place}. Make room and run the same command again; nothing is lost."
    return f"{error.strerror or error}{place}."


def _plain(value: Any) -> Any:
    """Make a value that `json` does not know into one that it does."""
    if hasattr(value, "to_dict"):
        return json.loads(value.to_json(orient="records", date_format="iso"))
    if isinstance(value, Report):
        return value.rows()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if hasattr(value, "item"):
        return value.item()
    return str(value)


def _open(args: argparse.Namespace) -> Project:
    from kso_utils.project.opening import Project

    return Project.open(args.project)


def _init(args: argparse.Namespace) -> Answer:
    from kso_utils.project.opening import Project

    with Project.create(args.folder, args.name) as project:
        text = (
            f"Made the project {project.settings.name!r} in {project.folder}.\n"
            f"Fill in sites.csv, movies.csv and species.csv, put the footage into {project.settings.archive.url}/, "
            "then run: kso check"
        )
        return Answer(text, {"folder": str(project.folder), "name": project.settings.name})


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
        project = Project.open(str(folder))
    report = steps.check(project)
    if args.csv:
        report.to_csv(args.csv)
    text = str(report) if args.verbose else f"{report.brief()}\nAll of them: --verbose, or --csv FILE."
    return Answer(text if len(report) else str(report), report, report.ok)


def _movies(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        counts = steps.fill_store(project)
    lines = [f"{t}: {c.inserted} new, {c.updated} changed, {c.unchanged} as before" for t, c in counts.items()]
    return Answer("\n".join(lines), counts)


def _clips(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        made = steps.cut_clips(project, args.length, args.per_movie, args.seed, args.jobs)
    return _made(made, "clip")


def _frames(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        made = steps.extract_frames(project, args.per_clip)
    return _made(made, "frame")


def _made(made: pd.DataFrame, noun: str) -> Answer:
    failed = made[made["state"] == "failed"] if "state" in made else made.iloc[:0]
    text = f"{len(made) - len(failed)} new {noun}s from {made['movie_id'].nunique()} movies."
    text += "".join(f"\nFailed: {r.source}: {r.error}" for r in failed.itertuples())
    return Answer(text, made, failed.empty)


def _upload(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        states = steps.upload(
            project, project.zooniverse(), args.kind, args.set, workers=args.workers, dry_run=args.dry_run
        )
    counts = states["state"].value_counts()
    text = ", ".join(f"{n} {state}" for state, n in counts.items()) or "nothing to upload"
    failed = states[states["state"] == "failed"]
    text += "".join(f"\nFailed: {r.key}: {r.reason}" for r in failed.itertuples())
    return Answer(text, states, failed.empty)


def _pull(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        pulled = steps.pull(project, project.zooniverse())
    lines = [f"{t}: {c.inserted} new, {c.updated} changed, {c.unchanged} as before" for t, c in pulled.counts.items()]
    return Answer("\n".join([*lines, str(pulled.report)]), pulled, pulled.report.ok)


def _aggregate(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        result = steps.aggregate(project, args.kind, args.agreement, args.min_people)
    agreed = result.rows[result.rows["agreed"]]
    what = "species in clips" if args.kind == "clip" else "boxes"
    lines = [f"Run {result.run_id}: volunteers agree on {len(agreed)} of {len(result.rows)} {what}."]
    lines += [f"  {label}: {n}" for label, n in agreed["label"].value_counts().items()]
    if result.unmatched:
        lines.append(f"Labels without a species in the store: {', '.join(result.unmatched)}")
    return Answer("\n".join(lines), result)


def _dataset(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        dataset = steps.build_dataset(project, args.seed)
    return Answer(f"Training set in {dataset.folder}\n{dataset.report}", dataset, dataset.report.ok)


def _train(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        run = steps.train(project, None, args.model, args.epochs, args.imgsz, args.seed)
    return Answer(f"Run {run.run_id}: weights in {run.weights}", {"run_id": run.run_id, "weights": str(run.weights)})


def _evaluate(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        result = steps.evaluate(project, None, args.weights, args.split)
    text = (
        f"On the {args.split} part: mAP50 {result.map50:.3f}, mAP50-95 {result.map50_95:.3f}; "
        f"operating threshold {result.threshold:.3f}\n{result.per_class.to_string(index=False)}"
    )
    return Answer(text, result)


def _detect(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        run = steps.detect(project, args.weights, args.stride, args.conf)
    bad = run.status[run.status["state"] == "failed"]
    text = f"Run {run.run_id}:\n{run.status.to_string(index=False)}"
    return Answer(text, run.status, bad.empty)


def _counts(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        counted = steps.count(project, args.run, args.bin)
    return Answer(counted.to_string(index=False), counted)


def _demo(args: argparse.Namespace) -> Answer:
    from kso_utils import demo

    if args.fixture:
        folder = demo.make_fixture(Path(args.fixture))
        return Answer(f"A small finished project is in {folder}", {"folder": str(folder)})
    result = demo.walk(Path(args.out), Path(args.footage) if args.footage else None, args.level, args.seed, _say)
    return Answer(str(result), result, result.ok)


def _sandbox(args: argparse.Namespace) -> Answer:
    from kso_utils.zooniverse import sandbox

    def announce(url: str) -> None:
        _say(f"The sandbox runs at {url} (state in {args.state}). Stop it with Ctrl-C.")
        _say("Log in with PANOPTES_USERNAME=demo and PANOPTES_PASSWORD=demo.")

    sandbox.run(args.state, args.port, announce)
    return Answer("The sandbox has stopped; its state is kept.", {"state": args.state})


def _info(args: argparse.Namespace) -> Answer:
    from kso_utils.project import inspection

    with _open(args) as project:
        values = inspection.describe(project)
    return Answer("\n".join(f"{k}: {v}" for k, v in values.items()), values)


def _doctor(args: argparse.Namespace) -> Answer:
    from kso_utils.project import inspection

    with _open(args) as project:
        report = inspection.diagnose(project)
    return Answer(str(report), report, report.ok)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


_NO_PROJECT = {"init", "demo", "sandbox"}
_KIND = (("kind",), {"choices": ["clip", "frame"], "help": "clips, or frames"})
_SEED = (("--seed",), {"type": int, "default": 0, "help": "seed of everything random (default: 0)"})
_WEIGHTS = (("--weights",), {"metavar": "FILE", "help": "weights file (default: the latest model)"})

COMMANDS: dict[
    str, tuple[str, Callable[[argparse.Namespace], Answer], list[tuple[tuple[str, ...], dict[str, Any]]]]
] = {
    "init": (
        "Make a new project folder.",
        _init,
        [(("folder",), {"help": "the folder to make"}), (("--name",), {"help": "name of the project"})],
    ),
    "check": (
        "Check the tables, and the footage where it is at hand; store nothing.",
        _check,
        [
            (("folder",), {"nargs": "?", "help": "project folder, or a folder of tables (default: --project)"}),
            (("--settings",), {"metavar": "FILE", "help": "settings file to use for that folder"}),
            (("--csv",), {"metavar": "FILE", "help": "write the findings to a CSV file too"}),
        ],
    ),
    "movies": ("Look at the footage and fill the store with sites, movies and species.", _movies, []),
    "clips": (
        "Cut clips that do not overlap earlier ones.",
        _clips,
        [
            (("--length",), {"type": float, "metavar": "S", "help": "seconds a clip (default: project.toml)"}),
            (
                ("--per-movie",),
                {"type": int, "metavar": "N", "help": "clips a movie, earlier ones counted in (default: all that fit)"},
            ),
            (("--seed",), {"type": int, "help": "choose places at random with this seed (default: evenly)"}),
            (("--jobs",), {"type": int, "metavar": "N", "help": "clips cut at a time"}),
        ],
    ),
    "frames": (
        "Save frames from the clips in which volunteers agreed on a species.",
        _frames,
        [(("--per-clip",), {"type": int, "metavar": "N", "help": "frames a clip (default: project.toml)"})],
    ),
    "upload": (
        "Upload clips or frames to Zooniverse; an interrupted upload goes on where it stopped.",
        _upload,
        [
            _KIND,
            (("--set",), {"metavar": "NAME", "help": "name of the subject set"}),
            (("--workers",), {"type": int, "default": 8, "help": "uploads at a time (default: 8)"}),
            (("--dry-run",), {"action": "store_true", "help": "check and show the plan, send nothing"}),
        ],
    ),
    "pull": ("Fetch the classifications from Zooniverse into the store.", _pull, []),
    "aggregate": (
        "Find what the volunteers agree on.",
        _aggregate,
        [
            _KIND,
            (("--agreement",), {"type": float, "metavar": "SHARE", "help": "share of people (default: project.toml)"}),
            (("--min-people",), {"type": int, "metavar": "N", "help": "people who must have looked"}),
        ],
    ),
    "dataset": ("Make a training set from the agreed boxes.", _dataset, [_SEED]),
    "train": (
        "Train a model on the latest training set.",
        _train,
        [
            (("--model",), {"default": "yolo11n.yaml", "help": "architecture or weights file (default: yolo11n.yaml)"}),
            (("--epochs",), {"type": int, "default": 100, "help": "passes over the training set (default: 100)"}),
            (("--imgsz",), {"type": int, "default": 640, "help": "picture size in pixels (default: 640)"}),
            _SEED,
        ],
    ),
    "evaluate": (
        "Measure a model on footage that it never saw.",
        _evaluate,
        [_WEIGHTS, (("--split",), {"choices": ["val", "test"], "default": "test", "help": "part (default: test)"})],
    ),
    "detect": (
        "Run a model over every movie of the project.",
        _detect,
        [
            _WEIGHTS,
            (("--stride",), {"type": int, "default": 1, "help": "look at every Nth frame (default: 1)"}),
            (("--conf",), {"type": float, "help": "confidence threshold (default: the model's own)"}),
        ],
    ),
    "counts": (
        "Count the most animals of each species seen at once (MaxN).",
        _counts,
        [
            (("--run",), {"type": int, "metavar": "ID", "help": "detection run (default: the latest)"}),
            (("--bin",), {"type": float, "metavar": "S", "help": "count in bins of so many seconds"}),
        ],
    ),
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
            _SEED,
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
            (("--port",), {"type": int, "default": 8910, "help": "port on this machine (default: 8910)"}),
        ],
    ),
    "info": ("Tell what is in a project.", _info, []),
    "doctor": ("Examine the installation and a project's store, files and unfinished work.", _doctor, []),
}


if __name__ == "__main__":
    sys.exit(main())
