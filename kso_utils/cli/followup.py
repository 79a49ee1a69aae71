"""Commands about how good the volunteers' answers are, and which clips somebody should look at again."""

from __future__ import annotations

import argparse
import math
import shlex
from typing import TYPE_CHECKING, Any

from kso_utils.cli.answers import COUNT, Answer, Commands, open_project
from kso_utils.cli.consensus import count, format_table, list_rows
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from kso_utils.consensus.comparison import Comparison
    from kso_utils.consensus.quality import Quality
    from kso_utils.consensus.retirement import Simulation

_SHOWN = 20
_TENTATIVE, _RELIABLE = 0.667, 0.8
_WORST = 5


def _quality(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps
    from kso_utils.project.steps.followup import load_labels

    if args.run is not None and args.experts is None:
        raise ConfigError("A run is compared with experts. Say what they see with: --experts FILE")
    experts = None if args.experts is None else load_labels(args.experts)
    with open_project(args) as project:
        found = steps.assess(project, experts)
        compared = None if experts is None else steps.compare_with_experts(project, experts, args.run)
    text = "\n".join([*_tell_quality(found), *([] if compared is None else _tell_experts(compared))])
    return Answer(text, {"quality": found, "comparison": compared})


def _tell_quality(found: Quality) -> list[str]:
    """Return how good answers are as lines of text."""
    lines = [
        f"{count(len(found.people), 'person gave', 'people gave')} {count(found.looks, 'answer')} about "
        f"{count(len(found.subjects), 'clip')}.",
    ]
    if not math.isnan(found.agreement):
        lines.append(f"Two people at one clip gave the same answer in {_percent(found.agreement)} of the cases.")
    if math.isnan(found.presence_alpha):
        lines.append(f"Krippendorff's alpha is not known: {judge_alpha(found.presence_alpha)}.")
    else:
        alphas = f"{_score(found.alpha)} for whole answers, {_score(found.presence_alpha)} for single species"
        lines.append(f"Krippendorff's alpha is {alphas}: {judge_alpha(found.presence_alpha)}.")
    hard = found.labels.dropna(subset=["alpha"]).sort_values(["alpha", "label"])
    if len(hard):
        told = [f"{row['label']} ({row['alpha']:.2f})" for row in list_rows(hard.head(_WORST))]
        lines.append(f"People agree least on: {', '.join(told)}")
    mixed = found.confusion[found.confusion["label"] != found.confusion["said"]]
    mixed = mixed.sort_values(["votes", "label", "said"], ascending=[False, True, True]).head(_WORST)
    if len(mixed):
        lines.append("Most often taken for something else:")
        lines += [
            f"  {row['label'] or 'nothing'} for {row['said'] or 'nothing'}: {row['votes']:g} of {row['looks']:g} looks "
            f"({_percent(row['share'])})"
            for row in list_rows(mixed)
        ]
    judged = found.learning[found.learning["looks"] > 0]
    if len(judged):
        whom = "experts say" if found.reference == "experts" else "most of the others say"
        lines.append(f"Answers that are just what {whom}, by how many clips a person had seen:")
        lines += [
            f"  {row['first']} to {row['last'] if row['last'] > 0 else 'the last'}: {_percent(row['skill'])} of "
            f"{count(row['looks'], 'answer')} by {count(row['people'], 'person', 'people')}"
            for row in list_rows(judged)
        ]
    flagged = found.people[found.people["user"].isin(found.suspects)]
    if len(flagged):
        lines.append(f"Answers worth a look before they count, of {count(len(flagged), 'person', 'people')}:")
        odd = list_rows(flagged)
        lines += [f"  {row['user']} ({count(row['looks'], 'answer')}): {row['flag']}" for row in odd]
        lines.append("To leave people out, name them in project.toml: [consensus.votes] not_users = [...]")
    return lines


def judge_alpha(alpha: float) -> str:
    """Return in words what may be concluded from data of such an alpha (Krippendorff 2004, Content Analysis, 241)."""
    if math.isnan(alpha):
        return "no two people looked at one clip, or all said the same"
    if alpha >= _RELIABLE:
        return "reliable (0.8 or more)"
    if alpha >= _TENTATIVE:
        return "good enough for tentative conclusions (0.667 to 0.8)"
    return "too low to draw conclusions from single answers (below 0.667); let more people look, or teach them more"


def _tell_experts(compared: Comparison) -> list[str]:
    """Return how agreed labels fit what experts say as lines of text."""
    if not compared.subjects:
        return [
            f"Volunteers and experts saw no clip in common: {compared.only_people:,} were seen by volunteers alone and "
            f"{compared.only_experts:,} by experts alone. Is subject_id the number that clips have on Zooniverse?"
        ]
    lines = [
        f"Beside experts, {count(compared.subjects, 'clip')} that both saw ({compared.only_people:,} seen by "
        f"volunteers alone and {compared.only_experts:,} by experts alone are left out):"
    ]
    import pandas as pd

    table = compared.overall.rename(columns={"average": "label"}).replace({"label": _AVERAGES})
    rows = [*list_rows(compared.labels), *list_rows(table)]
    shown = [
        {"label": row["label"], **{name: _interval(row, name) for name in ("precision", "recall", "f1")}}
        for row in rows
    ]
    return [*lines, *format_table(pd.DataFrame(shown), most=len(shown))]


_AVERAGES = {"micro": "all together", "macro": "mean of the species"}


def _interval(row: dict[Any, Any], name: str) -> str:
    if math.isnan(row[name]):
        return "-"
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f}-{row[f'{name}_high']:.2f})"


def _unsure(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        found = steps.find_unsure(project, method=args.method)
        settled = steps.find_settled(project, args.settled, args.method)
        chosen = found.head(args.limit) if args.limit is not None else found
        sent = None
        if args.subject_set is not None:
            with project.zooniverse() as session:
                sent = steps.ask_experts(project, session, chosen["subject_id"], args.subject_set, args.dry_run)
    lines = [
        f"{len(found):,} of {count(len(found) + len(settled), 'clip')} {'is' if len(found) == 1 else 'are'} unsure."
    ]
    lines += [_tell_unsure(row) for row in list_rows(chosen.head(_SHOWN))]
    if len(chosen) > _SHOWN:
        lines.append(f"  and {len(chosen) - _SHOWN:,} more")
    if args.settled is not None:
        lines.append(f"{count(len(settled), 'clip')} whose labels are sure stand in {args.settled}.")
        lines.append(f"Show them to nobody any more with: kso retire WORKFLOW --file {shlex.quote(args.settled)}")
    if sent is not None:
        would = "would be put" if args.dry_run else "are"
        lines.append(f"{count(len(sent), 'clip')} {would} in the subject set {args.subject_set!r}.")
        lines.append(
            f"Show it to experts in a workflow of its own with: kso link {shlex.quote(args.subject_set)} WORKFLOW"
        )
    return Answer("\n".join(lines), {"unsure": chosen, "settled": len(settled), "sent": sent})


def _tell_unsure(row: dict[Any, Any]) -> str:
    needed = math.ceil(row["votes_needed"])
    more = f"about {count(needed, 'more look')}" if needed else "more looks would not help: ask an expert"
    return f"  {row['subject_id']} {row['label'] or 'nothing named'}: {row['reason']}; {more}"


def _retirement(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps
    from kso_utils.project.steps.followup import load_labels

    truth, seen = (None if path is None else load_labels(path) for path in (args.experts, args.predictions))
    with open_project(args) as project:
        found = steps.simulate_retirement(project, args.rules, truth, seen, args.method)
    return Answer(_tell_simulation(found, args.rules), found)


def _tell_simulation(found: Simulation, rules: str) -> str:
    """Return what a rule would have saved as lines of text."""
    reasons = found.subjects["reason"].dropna().value_counts()
    why = ", ".join(f"{number:,} {str(reason).replace('_', ' ')}" for reason, number in reasons.items())
    lines = [
        f"By the rules {rules}, {found.used:,} of {found.votes:,} looks would have been needed: "
        f"{_percent(found.saved)} saved.",
        f"  {found.retired:,} of {count(len(found.subjects), 'clip')} would be retired{f': {why}' if why else ''}",
        f"  {count(found.changed, 'clip')} would have other labels than by all looks: {found.added:,} labels more, "
        f"{found.lost:,} fewer (F1 {found.agreement:.3f})",
    ]
    if found.f1 is not None and found.f1_of_all is not None:
        lines.append(f"  beside experts: F1 {found.f1:.3f}, by all looks {found.f1_of_all:.3f}")
    return "\n".join(lines)


def _score(value: float) -> str:
    return "not known" if math.isnan(value) else f"{value:.2f}"


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.0%}"


_METHOD = (
    ("--method",),
    {
        "metavar": "METHOD",
        "help": "how labels are agreed: share, plurality, gold or dawid_skene (default: project.toml)",
    },
)
_LABELS = "table with the columns subject_id and label"

COMMANDS: Commands = {
    "quality": (
        "Tell how far the volunteers agree on clips, what they mix up, and how well they see.",
        _quality,
        [
            (("--experts",), {"metavar": "FILE", "help": f"what experts say: {_LABELS} (empty: nothing there)"}),
            (
                ("--run",),
                {"type": COUNT, "metavar": "RUN", "help": "run to compare with experts (default: the latest)"},
            ),
        ],
    ),
    "unsure": (
        "List the clips that are worth another look, those first at which it tells most.",
        _unsure,
        [
            _METHOD,
            (("--limit",), {"type": COUNT, "metavar": "N", "help": "so many at most"}),
            (("--settled",), {"metavar": "FILE", "help": "write the clips that nobody needs to look at any more"}),
            (("--subject-set",), {"metavar": "NAME", "help": "put them into a subject set for experts on Zooniverse"}),
            (("--dry-run",), {"action": "store_true", "help": "with --subject-set: look, and change nothing"}),
        ],
    ),
    "retirement": (
        "Try rules for retiring clips on the votes that there are: what they would have saved, and what it costs.",
        _retirement,
        [
            (
                ("rules",),
                {
                    "metavar": "RULES",
                    "help": "information, serengeti, a number of votes, or a file of Caesar's rules (JSON)",
                },
            ),
            _METHOD,
            (("--experts",), {"metavar": "FILE", "help": f"what experts say: {_LABELS}"}),
            (("--predictions",), {"metavar": "FILE", "help": f"what a model sees, its vote first: {_LABELS}"}),
        ],
    ),
}
