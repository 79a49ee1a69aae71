"""What the volunteers agree on: runs of consensus, made, made again and compared."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import numpy as np
import pandas as pd

from kso_utils.annotations.outlines import bounding_boxes
from kso_utils.consensus.clip_labels import ClipRule, clips, describe_subjects, subjects
from kso_utils.consensus.gold import find_truth, keep_people, weigh_people
from kso_utils.consensus.shapes import MarkRule, marks
from kso_utils.consensus.votes import VoteRule, counting_rows, gather
from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.core.progress import bar
from kso_utils.metadata.taxa import match_labels
from kso_utils.store import queries
from kso_utils.version import __version__

if TYPE_CHECKING:
    from kso_utils.project.opening import Project
    from kso_utils.project.settings import Kind

TABLES = {"clip": "agg_annotations_clip", "frame": "agg_annotations_frame"}
"""Where the labels or marks of a run are kept."""

_SUBJECTS = "agg_subjects"
_GOLD = VoteRule(live_only=False, skip_seen_before=False, gold_standard="only")
_RUN = ["id", "kind", "created_at", "version", "params", "inputs"]


@dataclass(frozen=True)
class Agreement:
    """What `aggregate` gives.

    Attributes
    ----------
    run_id
        The run in `agg_runs`.
    kind
        Of clips or of frames.
    rule
        By which it was agreed.
    rows
        One row a subject and label (clips) or mark (frames); `agreed` tells which reached the rule.
    subjects
        One row a subject at which anybody looked, as `consensus.subjects` gives them; for the method `gold`, people
        whose votes weigh nothing are not counted.
    classifications, people
        How many count.
    unmatched
        Labels that no species of the store bears, or several: their rows have no species.
    reused
        True if an equal run over equal classifications was there already.
    """

    run_id: int
    kind: Kind
    rule: ClipRule | MarkRule
    rows: pd.DataFrame
    subjects: pd.DataFrame
    classifications: int
    people: int
    unmatched: list[str]
    reused: bool


@dataclass(frozen=True)
class Repetition:
    """A run that was computed once more.

    Attributes
    ----------
    run_id
        The run.
    version
        The version of this software that made it.
    same_votes, same_species
        Whether the classifications and the species that the labels name are those of then.
    later
        Classifications that came after the run; they are left out of what is computed.
    differences
        One row a table: `table, stored, computed` (rows of then and of now), `different` (rows that are not equal bit
        for bit).
    """

    run_id: int
    version: str
    same_votes: bool
    same_species: bool
    later: int
    differences: pd.DataFrame

    @property
    def equal(self) -> bool:
        """Whether all rows are equal bit for bit."""
        return not self.differences["different"].any()


@dataclass(frozen=True)
class RunComparison:
    """Two runs side by side.

    Attributes
    ----------
    first, second
        The runs.
    kind
        Of clips or of frames.
    same_votes
        Whether both read the same classifications.
    settings
        One row a part of the rule in which they differ: `setting, first, second`.
    labels
        One row a label: `label, agreed_first, agreed_second` (subjects in which it is agreed), `only_first,
        only_second`, `other_count` (agreed in both, with another number of animals).
    rows
        One row a subject, frame and label that differs: `subject_id, frame` (0 for clips), `label, agreed_first,
        agreed_second, how_many_first, how_many_second` (marks on frames are counted).
    """

    first: int
    second: int
    kind: Kind
    same_votes: bool
    settings: pd.DataFrame
    labels: pd.DataFrame
    rows: pd.DataFrame


def aggregate(
    project: Project,
    kind: Kind,
    agreement: float | None = None,
    min_people: int | None = None,
    method: str | None = None,
) -> Agreement:
    """Find what the volunteers agree on and record it as a run, in one transaction.

    An equal run (same rule, version, classifications and species) is not stored twice.

    Parameters
    ----------
    project
        The project; its store must hold classifications.
    kind
        `clip` for species in clips, `frame` for marks on frames.
    agreement, min_people, method
        In place of those in the settings.

    Raises
    ------
    ConfigError
        If no classification of that kind has been pulled, or a value is out of range.
    """
    rule = _choose_rule(project, kind, agreement, min_people, method)
    workflows = list_workflows(project, kind)
    found = _compute(project, rule, read_votes(project, kind, workflows))
    params = {"rule": _describe(rule), "workflows": workflows}
    known = _equal_run(project, kind, params, found.inputs)
    tables = {TABLES[kind]: found.rows, _SUBJECTS: found.subjects}
    return Agreement(
        known or project.store.record_run(kind, params, found.inputs, tables),
        kind,
        rule,
        found.rows,
        found.subjects,
        found.classifications,
        found.people,
        [label for label, species in found.inputs["species"].items() if species is None],
        known is not None,
    )


def repeat_run(project: Project, run_id: int) -> Repetition:
    """Compute a run of consensus once more by its own rule, from the classifications up to the newest of then.

    Nothing is stored.

    Raises
    ------
    NotFound
        If there is no such run.
    ConfigError
        If this version does not know the run's rule, or the store holds no classifications any more.
    """
    run = read_run(project, run_id)
    kind: Kind = run["kind"]
    rule = restore_rule(run)
    votes, before = read_votes(project, kind, run["params"].get("workflows") or []), run["inputs"]
    then = votes["classification_id"] <= before.get("newest", votes["classification_id"].max())
    if not then.any():
        raise ConfigError(f"The store holds none of the classifications of run {run_id} any more. Run: kso pull")
    later = votes.loc[~then, "classification_id"].nunique()
    found = _compute(project, rule, votes[then].reset_index(drop=True))
    told = [
        _differ(table, project.store.read(table, where={"run_id": run_id}, order_by="id"), rows)
        for table, rows in ((TABLES[kind], found.rows), (_SUBJECTS, found.subjects))
    ]
    return Repetition(
        run_id,
        run["version"],
        before.get("votes_sha256") == found.inputs["votes_sha256"],
        before.get("species") == found.inputs["species"],
        later,
        pd.DataFrame(told),
    )


def compare_runs(project: Project, first: int, second: int) -> RunComparison:
    """Return what two runs of consensus agree on that the other does not.

    Raises
    ------
    NotFound
        If there is no such run.
    ConfigError
        If one is of clips and the other of frames.
    """
    runs = [read_run(project, number) for number in (first, second)]
    kind: Kind = runs[0]["kind"]
    if kind != runs[1]["kind"]:
        raise ConfigError(f"Run {first} is of {kind}s and run {second} of {runs[1]['kind']}s. Compare two of one kind.")
    one, other = (_flatten(run["params"]) for run in runs)
    settings = [(name, one.get(name), other.get(name)) for name in sorted({*one, *other})]
    tables = [_agreed_in(project.store.read(TABLES[kind], where={"run_id": run["id"]})) for run in runs]
    key = ["subject_id", "frame", "label"]
    both = tables[0].merge(tables[1], on=key, how="outer", suffixes=("_first", "_second"))
    both[["agreed_first", "agreed_second"]] = both[["agreed_first", "agreed_second"]].eq(True)
    counts = both["how_many_first"].eq(both["how_many_second"]) | both[
        ["how_many_first", "how_many_second"]
    ].isna().all(axis=1)
    a, b = both["agreed_first"], both["agreed_second"]
    sums = both.assign(only_first=a & ~b, only_second=b & ~a, other_count=a & b & ~counts)
    columns = ["agreed_first", "agreed_second", "only_first", "only_second", "other_count"]
    differs = (a != b) | (a & b & ~counts)
    return RunComparison(
        first,
        second,
        kind,
        runs[0]["inputs"].get("votes_sha256") == runs[1]["inputs"].get("votes_sha256"),
        pd.DataFrame([row for row in settings if row[1] != row[2]], columns=["setting", "first", "second"]),
        sums.groupby("label")[columns].sum().reset_index(),
        both[differs].sort_values(key, ignore_index=True)[[*key, *columns[:2], "how_many_first", "how_many_second"]],
    )


def list_workflows(project: Project, kind: Kind) -> list[int]:
    """Return the ids of the workflows of one kind, sorted; none where the settings name none."""
    return sorted(workflow.id for workflow in project.settings.workflows(kind))


def read_votes(project: Project, kind: Kind, workflows: list[int]) -> pd.DataFrame:
    """Return what `queries.votes` gives for some workflows, for all where the list is empty.

    Raises
    ------
    ConfigError
        If there is nothing.
    """
    rows = queries.votes(project.store, kind, workflows or None)
    if rows.empty:
        raise ConfigError(f"There is no classification of a {kind} in the store. Fetch them with: kso pull")
    return rows


def read_run(project: Project, run_id: int) -> dict[str, Any]:
    """Return a run of consensus: `id, kind, created_at, version, params, inputs`.

    Raises
    ------
    NotFound
        If there is no such run.
    """
    found: list[dict[Any, Any]] = project.store.read("agg_runs", _RUN, where={"id": run_id}).to_dict("records")
    if not found:
        raise NotFound(f"There is no run {run_id} of consensus. Make one with: kso aggregate")
    return found[0]


def find_gold(votes: pd.DataFrame, rule: ClipRule) -> pd.DataFrame | None:
    """Return the truth by which a rule weighs people: what the gold standard among the votes says; else None.

    Of the gold standard, too, only the tasks of the rule count: a label of another task is one that nobody can name.
    """
    return find_truth(votes, replace(_GOLD, tasks=rule.votes.tasks)) if rule.method == "gold" else None


def restore_rule(run: dict[str, Any]) -> ClipRule | MarkRule:
    """Return the rule by which a run was made.

    Raises
    ------
    ConfigError
        If this version does not know it.
    """
    kind: type[Any] = ClipRule if run["kind"] == "clip" else MarkRule
    try:
        rule: ClipRule | MarkRule = _restore(kind, run["params"]["rule"])
    except (KeyError, TypeError, ConfigError) as error:
        raise ConfigError(
            f"Run {run['id']} was made by kso_utils {run['version']}, by a rule that this version does not know "
            f"({error}). Install that version, or aggregate again."
        ) from error
    return rule


def digest_votes(rows: pd.DataFrame) -> str:
    """Return the sha256 of what `queries.votes` gives, whatever the order of rows; of `raw` nothing is counted."""
    shapes = rows["geometry"].map(lambda shape: json.dumps(shape, sort_keys=True), na_action="ignore")
    plain = rows.assign(geometry=shapes).drop(columns=["raw"])
    # Numbers of one column have one type, whether or not one of them is missing.
    alike = {
        name: values.astype("float64" if pd.api.types.is_numeric_dtype(values) else "object")
        for name, values in plain.items()
    }
    hashes = pd.util.hash_pandas_object(pd.DataFrame(alike), index=False).to_numpy()
    return hashlib.sha256(np.sort(hashes).tobytes()).hexdigest()


@dataclass(frozen=True)
class _Computed:
    rows: pd.DataFrame
    subjects: pd.DataFrame
    inputs: dict[str, Any]
    classifications: int
    people: int


def _compute(project: Project, rule: ClipRule | MarkRule, votes: pd.DataFrame) -> _Computed:
    with bar("Consensus", 3) as progress:
        digest = digest_votes(votes)
        counting = counting_rows(votes, rule.votes)
        progress.advance()
        gold = find_gold(votes, rule) if isinstance(rule, ClipRule) else None
        agreed = clips(votes, rule, gold) if isinstance(rule, ClipRule) else _join_marks(votes, rule)
        progress.advance()
        seen = _describe_looks(votes, rule.votes, gold)
        progress.advance()
    matched = match_labels(sorted(agreed["label"].unique()), project.store.read("species")).set_index("label")
    agreed["species_id"] = agreed["label"].map(matched["species_id"]).astype("Int64")
    species = {label: None if pd.isna(number) else int(number) for label, number in matched["species_id"].items()}
    inputs = {"votes_sha256": digest, "newest": int(votes["classification_id"].max()), "species": species}
    return _Computed(agreed, seen, inputs, counting["classification_id"].nunique(), counting["user"].nunique())


def _describe_looks(votes: pd.DataFrame, rule: VoteRule, gold: pd.DataFrame | None) -> pd.DataFrame:
    """Return who looked, as `consensus.subjects`; whose votes weigh nothing have not: they leave nothing absent."""
    if gold is None:
        return subjects(votes, rule)
    gathered = gather(votes, rule)
    return describe_subjects(keep_people(gathered, weigh_people(gathered, gold)["weight"].to_numpy() > 0))


def _join_marks(votes: pd.DataFrame, rule: MarkRule) -> pd.DataFrame:
    found = marks(votes, rule)
    # An outline has its place in the store as the box around it.
    boxes = bounding_boxes(found)
    outline = found["x"].isna().to_numpy()
    found.loc[outline, ["x", "y", "width", "height"]] = boxes[outline]
    return found


def _choose_rule(
    project: Project, kind: Kind, agreement: float | None, min_people: int | None, method: str | None
) -> ClipRule | MarkRule:
    values = project.settings.consensus
    if kind == "clip":
        rule = values.clip_rule(agreement, min_people, method)
        # The run says what was asked for, whatever its method asks for in later versions.
        return replace(rule, agreement=rule.least)
    if method is not None:
        raise ConfigError(f"The method {method} is one for clips. Marks on frames are joined by how far they overlap.")
    return values.mark_rule(agreement, min_people)


def _describe(rule: ClipRule | MarkRule) -> dict[str, Any]:
    """Return a rule as JSON gives it back."""
    told: dict[str, Any] = json.loads(json.dumps(asdict(rule)))
    return told


def _restore(kind: type[Any], values: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    return kind(**{name: _restore_value(hints[name], value) for name, value in values.items()})


def _restore_value(hint: Any, value: Any) -> Any:
    if isinstance(value, dict):
        kind = next(one for one in (hint, *get_args(hint)) if isinstance(one, type) and is_dataclass(one))
        return _restore(kind, value)
    return tuple(value) if isinstance(value, list) else value


def _equal_run(project: Project, kind: Kind, params: dict[str, Any], inputs: dict[str, Any]) -> int | None:
    runs = project.store.read("agg_runs", where={"kind": kind, "version": __version__}, order_by="id")
    equal = [run["id"] for run in runs.to_dict("records") if run["params"] == params and run["inputs"] == inputs]
    return int(equal[-1]) if equal else None


def _differ(table: str, stored: pd.DataFrame, computed: pd.DataFrame) -> dict[str, Any]:
    """Return how many rows of a table differ from those that it would hold now, place by place."""
    same = min(len(stored), len(computed))
    different = np.zeros(same, dtype=bool)
    for name in computed.columns:
        before, now = stored[name].to_numpy()[:same], computed[name].to_numpy()[:same]
        missing = pd.isna(before) & pd.isna(now)
        different |= ~(missing | np.asarray(before == now, dtype=bool))
    return {
        "table": table,
        "stored": len(stored),
        "computed": len(computed),
        "different": int(different.sum()) + max(len(stored), len(computed)) - same,
    }


def _agreed_in(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what is agreed: `subject_id, frame, label, agreed` and `how_many`, on frames the number of marks."""
    agreed = rows[rows["agreed"].astype(bool)]
    if "frame" not in agreed:
        agreed = agreed.assign(frame=0)
        return agreed[["subject_id", "frame", "label", "agreed", "how_many"]]
    counted = agreed.groupby(["subject_id", "frame", "label"]).size().rename("how_many").astype("float64").reset_index()
    return counted.assign(agreed=True)


def _flatten(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested values under names such as `rule.votes.since`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flatten(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return flat
