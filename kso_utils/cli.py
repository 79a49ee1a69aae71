"""The `kso` command: the steps of the road from a terminal.

Exit codes: 0 done, 1 problems were found or something went wrong (one sentence says what), 2 bad usage.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import math
import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kso_utils.core import progress
from kso_utils.core.errors import KsoError, MetadataError
from kso_utils.core.report import Report
from kso_utils.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from kso_utils.project.opening import Project
    from kso_utils.store.rows import Counts


@dataclass(frozen=True)
class Answer:
    """What a command has to say.

    Attributes
    ----------
    text, values
        The result for people, and for machines.
    ok
        Whether all is well.
    trouble
        What went wrong with a part of the work, in one sentence; then all is not well.
    """

    text: str
    values: Any
    ok: bool = True
    trouble: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING, format="%(levelname)s %(message)s")
    previous = progress.use(progress.Terminal())
    try:
        return _run(args)
    except BrokenPipeError:
        # Who read the output has seen enough; nothing more can be written there, not even at the end of the program.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        progress.use(previous)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="kso", description="From underwater footage to biological information, one step a command."
    )
    parser.add_argument("--version", action="version", version=f"kso_utils {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (help_text, act, arguments) in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text)
        if name not in _NO_PROJECT:
            command.add_argument(
                "--project", default=".", metavar="FOLDER", help="project folder or listed name (default: here)"
            )
        for flags, options in arguments:
            command.add_argument(*flags, **options)
        command.add_argument("--json", action="store_true", help="print the result as JSON")
        command.add_argument("--verbose", action="store_true", help="say more on the way")
        command.set_defaults(act=act)
    return parser


def _run(args: argparse.Namespace) -> int:
    try:
        answer: Answer = args.act(args)
        if answer.trouble:
            sys.stderr.write(f"kso: {answer.trouble}\n")
        _write(_format_json(answer.values) if args.json else answer.text)
    except BrokenPipeError:
        raise
    except KsoError as error:
        return _fail(args, error, str(error))
    except OSError as error:
        return _fail(args, error, _explain(error))
    except KeyboardInterrupt as error:
        return _fail(args, error, "Stopped. What was done is kept; run the same command again to go on.", 130)
    return 0 if answer.ok and not answer.trouble else 1


def _write(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


def _fail(args: argparse.Namespace, error: BaseException, message: str, code: int = 1) -> int:
    if args.json:
        values = {"error": type(error).__name__, "message": message}
        report = error.report if isinstance(error, MetadataError) else None
        _write(_format_json(values if report is None else {**values, "findings": report}))
    sys.stderr.write(f"kso: {message}\n")
    return code


def _explain(error: OSError) -> str:
    place = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"The disk is full{place}. Make room and run the same command again; nothing is lost."
    return f"{error.strerror or error}{place}."


def _format_json(values: Any) -> str:
    return json.dumps(_plain(values), ensure_ascii=False, indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    """Make a value one that JSON knows: tables and reports are lists of rows, what is missing or not finite is null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Report):
        return value.rows()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if hasattr(value, "to_dict"):
        return _plain(value.to_dict("records"))
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    return None if str(value) in ("NaT", "<NA>") else str(value)


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
        project = Project.open(folder)
    report = steps.check(project)
    if args.csv:
        report.to_csv(args.csv)
    brief = report.brief()
    if not args.verbose and any(str(finding) not in brief for finding in report):
        return Answer(f"{brief}\nAll of them: --verbose, or --csv FILE.", report, report.ok)
    return Answer(str(report), report, report.ok)


def _movies(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        counts = steps.fill_store(project)
    return Answer(_format_counts(counts), counts)


def _format_counts(counts: Mapping[str, Counts]) -> str:
    return "\n".join(
        f"{table}: {c.inserted} new, {c.updated} changed, {c.unchanged} as before" for table, c in counts.items()
    )


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
    text = f"{len(made) - len(failed)} new {noun}s from {made.drop(failed.index)['movie_id'].nunique()} movies."
    return Answer(text, made, trouble=_count_failures(failed.get("error", []), f"{noun}s"))


def _count_failures(reasons: Iterable[str], noun: str) -> str:
    """Return a sentence on what failed, with the first reason; nothing if nothing did."""
    said = list(reasons)
    return f"{len(said)} {noun} failed. {said[0]}" if said else ""


def _upload(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project, nullcontext() if args.dry_run else project.zooniverse() as session:
        states = steps.upload(project, session, args.kind, args.set, args.workers, args.dry_run)
    counts = states["state"].value_counts()
    text = ", ".join(f"{n} {state}" for state, n in counts.items()) or "nothing to upload"
    failed = states[states["state"] == "failed"]
    return Answer(text, states, trouble=_count_failures(failed["reason"], "subjects"))


def _pull(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project, project.zooniverse() as session:
        pulled = steps.pull(project, session)
    return Answer(f"{_format_counts(pulled.counts)}\n{pulled.report}", pulled, pulled.report.ok)


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
    failed = run.status[run.status["state"] == "failed"]
    text = f"Run {run.run_id}:\n{run.status.to_string(index=False)}"
    return Answer(text, run.status, trouble=_count_failures(failed["error"], "movies"))


def _counts(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with _open(args) as project:
        counted = steps.count(project, args.run, args.bin)
    return Answer(counted.to_string(index=False) if len(counted) else "No animal was detected.", counted)


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
    # Not to the standard output, which is for the result.
    sys.stderr.write(text + "\n")


def _number(kind: type[int] | type[float], fits: Callable[[float], bool], wanted: str) -> Callable[[str], float]:
    """Return what reads an argument as a number, and refuses one that does not fit."""

    def read(text: str) -> float:
        try:
            value: float = kind(text)
        except ValueError:
            value = math.nan
        if not fits(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return value

    return read


_COUNT = _number(int, lambda value: value >= 1, "a whole number from 1 on")
_NATURAL = _number(int, lambda value: value >= 0, "a whole number from 0 on")
_PORT = _number(int, lambda value: 0 <= value < 65536, "a port, 0 to 65535")
_POSITIVE = _number(float, lambda value: 0 < value < math.inf, "a number above 0")
_SHARE = _number(float, lambda value: 0 < value <= 1, "a number above 0, at most 1")

_NO_PROJECT = {"init", "demo", "sandbox"}
_KIND = (("kind",), {"choices": ["clip", "frame"], "help": "clips, or frames"})
_SEED = (("--seed",), {"type": _NATURAL, "default": 0, "help": "seed of everything random (default: 0)"})
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
            (("--length",), {"type": _POSITIVE, "metavar": "S", "help": "seconds a clip (default: project.toml)"}),
            (
                ("--per-movie",),
                {
                    "type": _COUNT,
                    "metavar": "N",
                    "help": "clips a movie, earlier ones counted in (default: all that fit)",
                },
            ),
            (("--seed",), {"type": _NATURAL, "help": "choose places at random with this seed (default: evenly)"}),
            (("--jobs",), {"type": _COUNT, "metavar": "N", "help": "clips cut at a time"}),
        ],
    ),
    "frames": (
        "Save frames from the clips in which volunteers agreed on a species.",
        _frames,
        [(("--per-clip",), {"type": _COUNT, "metavar": "N", "help": "frames a clip (default: project.toml)"})],
    ),
    "upload": (
        "Upload clips or frames to Zooniverse; an interrupted upload goes on where it stopped.",
        _upload,
        [
            _KIND,
            (("--set",), {"metavar": "NAME", "help": "name of the subject set"}),
            (("--workers",), {"type": _COUNT, "default": 8, "help": "uploads at a time (default: 8)"}),
            (("--dry-run",), {"action": "store_true", "help": "check and show the plan, send nothing"}),
        ],
    ),
    "pull": ("Fetch the classifications from Zooniverse into the store.", _pull, []),
    "aggregate": (
        "Find what the volunteers agree on.",
        _aggregate,
        [
            _KIND,
            (("--agreement",), {"type": _SHARE, "metavar": "SHARE", "help": "share of people (default: project.toml)"}),
            (("--min-people",), {"type": _COUNT, "metavar": "N", "help": "people who must have looked"}),
        ],
    ),
    "dataset": ("Make a training set from the agreed boxes.", _dataset, [_SEED]),
    "train": (
        "Train a model on the latest training set.",
        _train,
        [
            (("--model",), {"default": "yolo11n.yaml", "help": "architecture or weights file (default: yolo11n.yaml)"}),
            (("--epochs",), {"type": _COUNT, "default": 100, "help": "passes over the training set (default: 100)"}),
            (("--imgsz",), {"type": _COUNT, "default": 640, "help": "picture size in pixels (default: 640)"}),
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
            (("--stride",), {"type": _COUNT, "default": 1, "help": "look at every Nth frame (default: 1)"}),
            (("--conf",), {"type": _SHARE, "help": "confidence threshold (default: the model's own)"}),
        ],
    ),
    "counts": (
        "Count the most animals of each species seen at once (MaxN).",
        _counts,
        [
            (("--run",), {"type": _COUNT, "metavar": "ID", "help": "detection run (default: the latest)"}),
            (("--bin",), {"type": _POSITIVE, "metavar": "S", "help": "count in bins of so many seconds"}),
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
            (("--port",), {"type": _PORT, "default": 8910, "help": "port on this machine (default: 8910)"}),
        ],
    ),
    "info": ("Tell what is in a project.", _info, []),
    "doctor": ("Examine the installation and a project's store, files and unfinished work.", _doctor, []),
}


if __name__ == "__main__":
    sys.exit(main())
