"""Commands about what is on Zooniverse: whether it is what was sent, and what volunteers get to see of it."""

from __future__ import annotations

import argparse
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from kso_utils.cli.answers import COUNT, Answer, Commands, count_failures, open_project, shorten
from kso_utils.core.errors import ConfigError
from kso_utils.zooniverse.visibility import REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping


def _audit(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    lines, failed, values, ok = [], [], [], True
    with open_project(args) as project, project.zooniverse() as session:
        for audit in steps.audit(project, session, args.set, args.media):
            acts = None
            lines.append(str(audit.report) if args.verbose else shorten(audit.report, "--verbose"))
            if args.repair or args.dry_run:
                acts = steps.repair(project, session, audit, args.dry_run)
                lines += [_tell_act(act) for act in acts.to_dict("records")]
                failed += list(acts.loc[acts["state"] == "failed", "reason"])
            ok &= audit.report.ok or (acts is not None and not args.dry_run)
            values.append({"report": audit.report, "subject_set": audit.subject_set, "acts": acts})
    text = "\n".join(lines) or "Nothing was uploaded from this project yet."
    return Answer(text, values, ok, count_failures(failed, "act"))


def _tell_act(act: Mapping[Any, Any]) -> str:
    name = PurePath(act["path"]).name
    which = name if act["act"] == "send_again" else f"subject {act['subject_id']} ({name})"
    where = f" to set {act['set_id']}" if act["act"] == "link" else ""
    why = act["why"] if act["state"] != "failed" else act["reason"]
    return f"  {act['state']}: {act['act'].replace('_', ' ')} {which}{where}. {why}"


def _retire(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps
    from kso_utils.zooniverse.visibility import load_subject_ids

    given = [value for value in (args.ids, args.file, args.set) if value is not None]
    if len(given) != 1:
        raise ConfigError("Say which subjects: --ids ID ..., --file FILE, or --set NAME.")
    subjects = load_subject_ids(args.file) if args.file is not None else given[0]
    with open_project(args) as project, project.zooniverse() as session:
        done = steps.retire(
            project, session, args.workflow, subjects, args.reason, undo=args.undo, dry_run=args.dry_run
        )
    what = "shown again in" if args.undo else "retired from"
    would = "would be " if args.dry_run else ""
    return Answer(f"{len(done)} subject{'s' * (len(done) != 1)} {would}{what} workflow {args.workflow}.", done)


def _link(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project, project.zooniverse() as session:
        done = steps.link_sets(project, session, args.set, args.workflows, undo=args.undo, dry_run=args.dry_run)
    told = {"link": "shows the set", "unlink": "shows the set no more", "none": "shows the set already"}
    if args.dry_run:
        told |= {"link": "would show the set", "unlink": "would show the set no more"}
    if args.undo:
        told["none"] = "does not show the set"
    rows = done.to_dict("records")
    lines = [f"Workflow {row['workflow_id']} ({row['workflow']}) {told[row['act']]}." for row in rows]
    return Answer("\n".join(lines), done)


_DRY_RUN = (("--dry-run",), {"action": "store_true", "help": "show what would be done, and do nothing"})

COMMANDS: Commands = {
    "audit": (
        "Compare what is on Zooniverse with what was sent, and repair it where asked.",
        _audit,
        [
            (("set",), {"nargs": "?", "metavar": "SET", "help": "name of a subject set (default: all that were sent)"}),
            (("--media",), {"action": "store_true", "help": "read every medium back and compare its bytes"}),
            (("--repair",), {"action": "store_true", "help": "mend what was found"}),
            _DRY_RUN,
        ],
    ),
    "retire": (
        "Show subjects to nobody any more in a workflow, or show them again.",
        _retire,
        [
            (("workflow",), {"type": COUNT, "metavar": "WORKFLOW", "help": "number of the workflow"}),
            (("--ids",), {"nargs": "+", "type": COUNT, "metavar": "ID", "help": "numbers of subjects"}),
            (("--file",), {"metavar": "FILE", "help": "table with the column subject_id"}),
            (("--set",), {"metavar": "NAME", "help": "all subjects of a subject set"}),
            (("--undo",), {"action": "store_true", "help": "show them again"}),
            (
                ("--reason",),
                {
                    "choices": REASONS,
                    "default": "other",
                    "help": "why, in Zooniverse's words (default: other)",
                },
            ),
            _DRY_RUN,
        ],
    ),
    "link": (
        "Show a subject set in workflows, or show it there no more.",
        _link,
        [
            (("set",), {"metavar": "SET", "help": "name of the subject set"}),
            (("workflows",), {"nargs": "+", "type": COUNT, "metavar": "WORKFLOW", "help": "numbers of workflows"}),
            (("--undo",), {"action": "store_true", "help": "show it there no more"}),
            _DRY_RUN,
        ],
    ),
}
