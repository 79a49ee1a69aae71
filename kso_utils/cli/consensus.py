"""Commands about what the volunteers agree on: runs of consensus, and their tables for other programs."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from kso_utils.cli.answers import COUNT, KIND, SHARE, Answer, Commands, open_project
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from kso_utils.consensus.clip_labels import ClipRule
    from kso_utils.consensus.shapes import MarkRule
    from kso_utils.project.steps.consensus import Agreement, Repetition, RunComparison

_SHOWN = 30
_METHODS = "share, plurality, gold, dawid_skene or kso"


def _aggregate(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps
    from kso_utils.project.steps.consensus import read_run

    if args.repeat is not None and args.compare is not None:
        raise ConfigError("Repeat a run or compare two, one at a time.")
    by_the_rule_of_a_run = args.repeat is not None or args.compare is not None
    if by_the_rule_of_a_run and any(one is not None for one in (args.method, args.agreement, args.min_people)):
        raise ConfigError("A run that is repeated or compared keeps its rule. Leave out what changes the rule.")
    with open_project(args) as project:
        for number in args.compare or [run for run in (args.repeat,) if run is not None]:
            if (kind := read_run(project, number)["kind"]) != args.kind:
                raise ConfigError(f"Run {number} is of {kind}s. Say: kso aggregate {kind}")
        if args.repeat is not None:
            again = steps.repeat_run(project, args.repeat)
            return Answer(_tell_repetition(again), again, again.equal)
        if args.compare is not None:
            compared = steps.compare_runs(project, *args.compare)
            return Answer(_tell_comparison(compared), compared)
        result = steps.aggregate(project, args.kind, args.agreement, args.min_people, args.method)
    return Answer(_tell_agreement(result), result)


def _tell_agreement(result: Agreement) -> str:
    """Return a run of consensus as lines of text."""
    clip = result.kind == "clip"
    subjects, rule = result.subjects, result.rule
    agreed = result.rows[result.rows["agreed"]]
    seen = subjects["subject_id"].isin(agreed["subject_id"])
    few = ~seen & (subjects["people"] < rule.min_people)
    blank = ~seen & ~few & subjects["blank"]
    unsure = ~seen & ~few & ~blank
    lines = [
        f"Run {result.run_id}{' (as before)' if result.reused else ''}: {result.classifications:,} classifications by "
        f"{count(result.people, 'person', 'people')} of {count(len(subjects), result.kind)}. Rule: "
        f"{_describe_rule(rule)}, at least {count(rule.min_people, 'person', 'people')}.",
        f"  {seen.sum():,} {result.kind}s in which people agree on {'a species' if clip else 'an animal'}",
        f"  {blank.sum():,} in which most people saw nothing",
        f"  {unsure.sum():,} in which people differ",
        f"  {few.sum():,} that too few people looked at",
    ]
    if not result.classifications:
        lines.append("No classification counts. See which do in project.toml, under [consensus.votes].")
    if len(agreed):
        lines += ["", *format_table(_sum_up_clips(agreed) if clip else _sum_up_frames(agreed)), ""]
    if result.unmatched:
        lines.append(f"Labels that name no species of the store, or several: {shorten_list(result.unmatched)}.")
        lines.append("  Give them a row in the table of species (zoo_label), then run: kso movies")
    if clip and unsure.any() | few.any():
        lines.append("See which clips are worth another look with: kso unsure")
    if len(agreed):
        following = "Save frames of the animals with: kso frames" if clip else "Make a training set with: kso dataset"
        lines.append(following)
        lines.append(f"Write the tables for other programs with: kso export {result.kind} --out FOLDER")
    return "\n".join(lines)


def _describe_rule(rule: ClipRule | MarkRule) -> str:
    from kso_utils.consensus.shapes import MarkRule

    share = f"{rule.agreement:.0%}"
    if isinstance(rule, MarkRule):
        return f"{share} of the people marked the same"
    told = {
        "share": f"{share} of the people named the same",
        "plurality": "as many species as the median person named, those with most votes first",
        "gold": f"{share} of the votes, weighed by what people get right in a gold standard",
        "dawid_skene": f"probability {share}, by how well each person sees (Dawid and Skene)",
    }
    return f"as KSO published it, {share} of the classifications" if rule.compat else told[rule.method]


def _sum_up_clips(agreed: pd.DataFrame) -> pd.DataFrame:
    """Return a row a label, most clips first: how many clips, the median support, and how many animals."""
    groups = agreed.groupby("label")
    table = groups.agg(clips=("subject_id", "nunique"), support=("support", "median"), most=("how_many", "max"))
    table = table.assign(animals=groups["how_many"].median()).reset_index()
    table = table.sort_values(["clips", "label"], ascending=[False, True])
    told: dict[str, list[str]] = {
        "support": [f"{share:.0%}" for share in table["support"]],
        "median count": [_number(count) for count in table["animals"]],
        "largest count": [_number(count) for count in table["most"]],
    }
    return table[["label", "clips"]].assign(**told)


def _number(count: float) -> str:
    return "-" if math.isnan(count) else f"{count:g}"


def _sum_up_frames(agreed: pd.DataFrame) -> pd.DataFrame:
    """Return a row a label, most frames first: how many frames and marks, the median support, the most in one frame."""
    in_frame = agreed.groupby(["label", "subject_id", "frame"]).size()
    groups = agreed.groupby("label")
    table = groups.agg(frames=("subject_id", "nunique"), marks=("subject_id", "size"), support=("support", "median"))
    table = table.assign(most=in_frame.groupby("label").max()).reset_index()
    table = table.sort_values(["frames", "label"], ascending=[False, True])
    shown = table.assign(support=[f"{share:.0%}" for share in table["support"]])
    return shown.rename(columns={"most": "most in one"})


def _tell_repetition(again: Repetition) -> str:
    """Return what became of a run that was computed once more."""
    lines = [f"Run {again.run_id}, made by kso_utils {again.version}, was computed again."]
    for row in again.differences.to_dict("records"):
        told = f"all {row['stored']:,} rows are equal" if not row["different"] else f"{row['different']:,} rows differ"
        lines.append(f"  {row['table']}: {told}")
    if again.later:
        lines.append(f"{count(again.later, 'classification')} came later and did not count.")
    if not again.same_votes:
        lines.append(
            "The classifications are not those of then: older ones were fetched, or their labels were read anew."
        )
    if not again.same_species:
        lines.append("The labels name other species than then: the table of species was changed.")
    if not again.equal and again.same_votes and again.same_species:
        lines.append("What they were computed from is the same; this version computes otherwise.")
    return "\n".join(lines)


def _tell_comparison(compared: RunComparison) -> str:
    """Return what two runs agree on that the other does not."""
    lines = [f"Runs {compared.first} and {compared.second} of {compared.kind}s"]
    told = compared.settings.astype(object).where(compared.settings.notna(), "not set")
    lines += [f"  {row.setting}: {row.first} and {row.second}" for row in told.itertuples()]
    lines.append(f"  read {'the same' if compared.same_votes else 'other'} classifications")
    if compared.rows.empty:
        return "\n".join([*lines, "They agree on the same."])
    changed = compared.labels[compared.labels[["only_first", "only_second", "other_count"]].any(axis=1)]
    names = {
        "agreed_first": f"run {compared.first}",
        "agreed_second": f"run {compared.second}",
        "only_first": f"only {compared.first}",
        "only_second": f"only {compared.second}",
        "other_count": "other count",
    }
    return "\n".join([*lines, f"{len(compared.rows):,} differences:", *format_table(changed.rename(columns=names))])


def _export(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        written = steps.export(project, args.kind, args.out, args.format, args.run, args.names)
    lines = [f"Run {written.run_id}, in {written.folder}:"]
    lines += [f"  {row['file']}: {count(row['rows'], 'row')}" for row in list_rows(written.files)]
    lines.append(f"  {written.provenance.name}: where they come from")
    if not written.same_votes:
        lines.append("The store holds other classifications than those that the run read.")
    lines.append("They name the volunteers." if args.names else "Volunteers are numbered, not named.")
    return Answer("\n".join(lines), written)


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 clip`, `1,200 people`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def list_rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the rows of a table, each by column."""
    rows: list[dict[Any, Any]] = table.to_dict("records")
    return rows


def shorten_list(texts: Sequence[str], most: int = 12) -> str:
    """Return texts with commas between, and how many more there are."""
    rest = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {rest} more" if rest > 0 else "")


def format_table(table: pd.DataFrame, most: int = _SHOWN) -> list[str]:
    """Return a table as aligned lines, the first column to the left, with how many rows are left out."""
    head = table.head(most)
    cells = [[str(name).replace("_", " ") for name in table.columns]]
    cells += [[f"{v:,}" if isinstance(v, int) else str(v) for v in row] for row in head.astype(object).values.tolist()]
    widths = [max(len(row[place]) for row in cells) for place in range(len(table.columns))]
    lines = [
        "  " + "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in cells
    ]
    return [*(line.rstrip() for line in lines), *([f"  and {len(table) - most:,} more"] if len(table) > most else [])]


COMMANDS: Commands = {
    "aggregate": (
        "Find what the volunteers agree on.",
        _aggregate,
        [
            KIND,
            (
                ("--method",),
                {"metavar": "METHOD", "help": f"how labels of clips are agreed: {_METHODS} (default: project.toml)"},
            ),
            (("--agreement",), {"type": SHARE, "metavar": "SHARE", "help": "share of people (default: project.toml)"}),
            (("--min-people",), {"type": COUNT, "metavar": "N", "help": "people who must have looked"}),
            (
                ("--repeat",),
                {"type": COUNT, "metavar": "RUN", "help": "compute a run again and say whether it is equal"},
            ),
            (
                ("--compare",),
                {"type": COUNT, "nargs": 2, "metavar": "RUN", "help": "say what two runs agree on differently"},
            ),
        ],
    ),
    "export": (
        "Write what the volunteers said and agreed on as tables for other programs.",
        _export,
        [
            KIND,
            (("--out",), {"required": True, "metavar": "FOLDER", "help": "where the tables go"}),
            (("--format",), {"choices": ["csv", "parquet"], "default": "csv", "help": "default: csv"}),
            (("--run",), {"type": COUNT, "metavar": "RUN", "help": "the run of consensus (default: the latest)"}),
            (("--names",), {"action": "store_true", "help": "name the volunteers instead of numbering them"}),
        ],
    ),
}
