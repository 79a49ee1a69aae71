"""Commands that publish what was seen."""

from __future__ import annotations

import argparse

from kso_utils.cli.answers import COUNT, POSITIVE, Answer, Commands, open_project
from kso_utils.core.errors import ConfigError


def _publish(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    if args.format == "camtrapdp":
        return _publish_camtrapdp(args)
    with open_project(args) as project:
        publication = steps.publish(project, args.out, args.events, args.bin, args.run)
    made = publication.archive
    status = made.occurrences["occurrenceStatus"].value_counts()
    text = (
        f"{made.path}: {len(made.events)} events, {status.get('present', 0)} occurrences present, "
        f"{status.get('absent', 0)} absent, {len(made.measurements)} measurements.\n"
        f"{made.report.brief()}\n{publication.findings.brief()}"
    )
    values = {
        "path": str(made.path),
        "sha256": made.sha256,
        "events": len(made.events),
        "occurrences": len(made.occurrences),
        "measurements": len(made.measurements),
        "not_published": made.report,
        "findings": publication.findings,
    }
    return Answer(text, values, publication.ok)


def _publish_camtrapdp(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    if args.events != "movie" or args.bin is not None:
        raise ConfigError(
            "In a Camtrap DP package an event is a movie's sampling window; leave out --events and --bin."
        )
    with open_project(args) as project:
        made = steps.publish_camtrapdp(project, args.out, args.run)
    text = (
        f"{made.folder}: {made.deployments} deployments, {made.media} media, {made.observations} observations.\n"
        f"{made.report.brief()}"
    )
    counts = {"deployments": made.deployments, "media": made.media, "observations": made.observations}
    return Answer(text, {"folder": str(made.folder), **counts, "not_published": made.report})


def _check_archive(args: argparse.Namespace) -> Answer:
    from kso_utils.annotations import darwincore

    report = darwincore.check(args.archive)
    if args.csv:
        report.to_csv(args.csv)
    text = str(report) if args.verbose else report.brief()
    hint = "" if text == str(report) or args.verbose else "\nAll of them: --verbose, or --csv FILE."
    return Answer(text + hint, report, report.ok)


COMMANDS: Commands = {
    "publish": (
        "Write what volunteers and the model saw as an archive that OBIS and GBIF take.",
        _publish,
        [
            (("format",), {"choices": ["darwincore", "camtrapdp"], "help": "kind of archive"}),
            (
                ("--out",),
                {"metavar": "FILE", "help": "the zip, or for camtrapdp the folder, to write (default: in published/)"},
            ),
            (
                ("--events",),
                {"choices": ["movie", "bin"], "default": "movie", "help": "a sample is a movie or a period of it"},
            ),
            (("--bin",), {"type": POSITIVE, "metavar": "S", "help": "seconds a period, for --events bin"}),
            (("--run",), {"type": COUNT, "metavar": "ID", "help": "detection run (default: the latest)"}),
        ],
    ),
    "check-archive": (
        "Check a Darwin Core archive, without any network, as GBIF and OBIS do.",
        _check_archive,
        [
            (("archive",), {"help": "zip file, or folder with the same files"}),
            (("--csv",), {"metavar": "FILE", "help": "write the findings to a CSV file too"}),
        ],
    ),
}
