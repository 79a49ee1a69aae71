"""Commands that send subjects to volunteers, and fetch what they said."""

from __future__ import annotations

import argparse
import shlex
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING

from kso_utils.cli.answers import COUNT, KIND, POSITIVE, Answer, Commands, count_told, format_counts, open_project
from kso_utils.core.errors import ConfigError, KsoError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kso_utils.project.steps.uploading import UploadPlan


def _upload(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps
    from kso_utils.project.steps.uploading import name_set

    if args.dry_run:
        return _plan_upload(args)
    if args.manifest:
        raise ConfigError("A manifest tells of what is still to be sent. Ask for it together with --dry-run.")
    with open_project(args) as project, project.zooniverse() as session:
        states = steps.upload(project, session, args.kind, args.set, args.workers, allow_large=args.allow_large)
        name, place = args.set or name_set(project, args.kind), session.url
        shown = _list_workflows(workflow.id for workflow in project.settings.workflows(args.kind))
    counts = ", ".join(f"{n} {state}" for state, n in states["state"].value_counts().items())
    failed = states.loc[states["state"] == "failed", "reason"]
    lines = [
        f"Subject set {name!r} at {place}, shown in the workflows: {shown}",
        counts,
        *(f"  {n} failed: {reason}" for reason, n in failed.value_counts().items()),
        f"See whether it is still what was sent with: kso audit {shlex.quote(name)}",
    ]
    trouble = count_told(len(failed), len(states), "subject")
    return Answer("\n".join(lines), states, trouble=trouble and f"{trouble} The same command tries them again.")


def _plan_upload(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project, ExitStack() as stack:
        session, reason = None, ""
        try:
            session = stack.enter_context(project.zooniverse(ask=False))
        except KsoError as error:
            reason = str(error)
        plan = steps.plan_upload(project, session, args.kind, args.set, args.manifest, args.allow_large)
    return Answer(_format_plan(plan, reason), plan, plan.report.ok)


def _format_plan(plan: UploadPlan, reason: str) -> str:
    """Return a plan as lines of text; `reason` says why Zooniverse was not asked."""
    counts = ", ".join(f"{n} {state}" for state, n in plan.counts.items())
    shown = _list_workflows(plan.workflows)
    place = "not looked for" if reason else "new" if plan.set_id is None else f"number {plan.set_id}"
    lines = [
        f"Subject set {plan.subject_set!r} ({place}), shown in the workflows: {shown}",
        f"{counts}; {plan.size_bytes / 1e6:,.1f} MB to send",
    ]
    if plan.quota is None:
        lines.append(f"The quota was not asked for. {reason}")
    elif plan.quota_after is None:
        lines.append(f"The account has uploaded {plan.quota.used} subjects, and may upload any number.")
    else:
        lines.append(
            f"The account has uploaded {plan.quota.used} of {plan.quota.limit} subjects; after this it may upload "
            f"{max(0, plan.quota_after)} more."
        )
    if plan.manifest:
        lines.append(f"The manifest is {plan.manifest}")
    return "\n".join([*lines, *([plan.report.brief()] if len(plan.report) else []), "Nothing was sent."])


def _list_workflows(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers)) or "none, by project.toml"


def _pull(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project, nullcontext() if args.exports else project.zooniverse() as session:
        pulled = steps.pull(project, session, args.exports, args.wait, args.ask, args.workflow)
    return Answer(f"{format_counts(pulled.counts)}\n{pulled.report.brief()}", pulled, pulled.report.ok)


COMMANDS: Commands = {
    "upload": (
        "Upload clips or frames to Zooniverse; an interrupted upload goes on where it stopped.",
        _upload,
        [
            KIND,
            (("--set",), {"metavar": "NAME", "help": "name of the subject set"}),
            (("--workers",), {"type": COUNT, "default": 8, "help": "uploads at a time (default: 8)"}),
            (("--dry-run",), {"action": "store_true", "help": "check and show the plan, send nothing"}),
            (("--manifest",), {"metavar": "FILE", "help": "with --dry-run: write what is still to be sent as CSV"}),
            (("--allow-large",), {"action": "store_true", "help": "send clips above 8 MiB and frames above 1 MiB too"}),
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
}
