"""Who voted for what: one person, one vote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from kso_utils.consensus.groups import grouped_quantiles, run_starts
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

Repeats = Literal["first", "last"]
Wanted = Literal["skip", "keep", "only"]
NEEDED = ("classification_id", "subject_id", "user", "label")
"""The columns without which rows are no votes."""


@dataclass(frozen=True, slots=True)
class VoteRule:
    """Which classifications count.

    Attributes
    ----------
    repeats
        Which classification of a person counts who classified a subject in one workflow several times: the `first`
        (the lowest id, as Zooniverse numbers them in order of arrival) or the `last`.
    live_only
        Leave out classifications made before the project went live (`live` false); unknown counts as live.
    skip_seen_before
        Leave out classifications of a subject that Zooniverse itself says the person had seen (`seen_before` true).
    gold_standard
        What happens to classifications made as gold standard: `skip`, `keep`, or `only` they count.
    experts
        The same for those of people whom the project calls experts.
    tasks
        The tasks whose answers count, by their keys (`T0`); all where empty. Who answered another task only has
        looked, and named nothing.
    first_version, last_version
        The oldest and the newest version of a workflow that counts, as (major, minor); None for no limit.
    since, until
        The first moment that counts and the first that does not any more, ISO 8601 (without a zone: UTC); empty
        for no limit.
    users, not_users
        The names of the only people who count (all where empty), and of those who do not.

    Raises
    ------
    ConfigError
        If a value is not one of those named, or a date cannot be read.
    """

    repeats: Repeats = "first"
    live_only: bool = True
    skip_seen_before: bool = True
    gold_standard: Wanted = "skip"
    experts: Wanted = "keep"
    tasks: tuple[str, ...] = ()
    first_version: tuple[int, int] | None = None
    last_version: tuple[int, int] | None = None
    since: str = ""
    until: str = ""
    users: tuple[str, ...] = ()
    not_users: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the values."""
        for name, kinds in (("repeats", Repeats), ("gold_standard", Wanted), ("experts", Wanted)):
            if getattr(self, name) not in get_args(kinds):
                raise ConfigError(f"{name} is {getattr(self, name)!r}; give one of {', '.join(get_args(kinds))}.")
        for name in ("since", "until"):
            if getattr(self, name):
                _moment(name, getattr(self, name))


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Votes as numbers, whatever the order in which they came.

    A look is one person's view of one subject, whether or not anything was named; a choice is a label named in it.
    Looks are sorted by subject, then person; choices by look, then label.

    Attributes
    ----------
    subject_ids
        (s,) int64: the subjects at which anybody looked, ascending.
    people
        (p,) str objects: the people, sorted; who is nameless is `classification N`.
    labels
        (l,) str objects: the labels that anybody named, sorted.
    look_subject, look_person
        (n,) int64: of each look its subject and person, as places in `subject_ids` and `people`.
    choice_look, choice_label
        (m,) int64: of each choice its look and label, as places.
    how_many, first_seen_s
        (m,) float64: the answers to the choice, NaN where there is none; first sight in seconds.
    """

    subject_ids: NDArray[np.int64]
    people: NDArray[Any]
    labels: NDArray[Any]
    look_subject: NDArray[np.int64]
    look_person: NDArray[np.int64]
    choice_look: NDArray[np.int64]
    choice_label: NDArray[np.int64]
    how_many: NDArray[np.float64]
    first_seen_s: NDArray[np.float64]

    @property
    def choice_subject(self) -> NDArray[np.int64]:
        """(m,) the place of each choice's subject."""
        return self.look_subject[self.choice_look]

    @property
    def choice_person(self) -> NDArray[np.int64]:
        """(m,) the place of each choice's person."""
        return self.look_person[self.choice_look]

    @property
    def looked(self) -> NDArray[np.int64]:
        """(s,) how many people looked at each subject."""
        return np.bincount(self.look_subject, minlength=len(self.subject_ids))

    @property
    def named(self) -> NDArray[np.int64]:
        """(n,) how many labels were named in each look; 0 for a blank one."""
        return np.bincount(self.choice_look, minlength=len(self.look_subject))


def gather(rows: pd.DataFrame | Iterable[pd.DataFrame], rule: VoteRule | None = None) -> Votes:
    """Return the votes in rows: of each person, subject and workflow those of one classification.

    A person is the value of `user`. Somebody who was not logged in is known within one export file only, so that where
    rows tell the file (`source_sha256`) the same name in two files is two people. A row without a `user` is a person of
    its own, for nobody can tell. Rows without a subject or a classification id are dropped. A classification that
    marks nothing (its label is missing) stays: the person looked, and belongs in the denominator. Somebody who looked
    at a subject in two workflows is one person, who named what was named in either. Who named a label twice in one
    classification named it once, with the median of the answers. A classification that comes twice counts once.

    Parameters
    ----------
    rows
        One row a choice or mark, as `zooniverse.flatten` gives them, or parts of such a table in any order; at least
        `classification_id`, `subject_id`, `user` and `label`. Where `workflow_id` is missing all rows are of one
        workflow; a part that is there (`how_many`, `first_seen_s`, `live`, `created_at` ...) is used.
    rule
        Which classifications count; the default where None.

    Raises
    ------
    ConfigError
        If a column is missing that the rule needs, or an id is not a whole number.
    """
    rule = rule or VoteRule()
    ballots = _Ballots()
    for part in [rows] if isinstance(rows, pd.DataFrame) else rows:
        ballots.add(part, rule)
    return ballots.count(rule)


def counting_rows(rows: pd.DataFrame, rule: VoteRule | None = None) -> pd.DataFrame:
    """Return the rows that count, as `gather` chooses them, with who made them.

    Parameters
    ----------
    rows, rule
        As for `gather`.

    Returns
    -------
    DataFrame
        Some of the rows in their order, with a fresh index; `subject_id` and `classification_id` as int64, and `user`
        filled: two rows have one `user` if and only if one person made them. The label is missing in rows of
        a task that does not count.

    Raises
    ------
    ConfigError
        If a column is missing that the rule needs, or an id is not a whole number.
    """
    rule = rule or VoteRule()
    ballots = _Ballots()
    kept = ballots.add(rows, rule)
    chosen = ballots.choose(rule)
    found = rows[kept].iloc[chosen].reset_index(drop=True)
    names = ballots.name_people()
    person = np.concatenate(ballots.person)[chosen] if len(found) else np.zeros(0, dtype=np.int64)
    found = found.assign(
        subject_id=np.concatenate(ballots.subject)[chosen],
        classification_id=np.concatenate(ballots.classification)[chosen],
        user=np.array([names[code] for code in person.tolist()], dtype=object),
    )
    if rule.tasks:
        found["label"] = found["label"].where(found["task"].isin(rule.tasks))
    return found


def count_people(votes: pd.DataFrame, by: Sequence[str] = ("subject_id",)) -> pd.Series[int]:
    """Return how many distinct people stand behind each group of rows, blanks included.

    Parameters
    ----------
    votes
        Rows from `counting_rows`.
    by
        The columns that make a group; rows with a missing value in one of them belong to none.

    Returns
    -------
    Series
        int64, indexed by group.
    """
    return votes.groupby(list(by))["user"].nunique().astype("int64")


class _Ballots:
    """Rows as numbers, part by part, before anybody's repeats are resolved."""

    def __init__(self) -> None:
        self.classification: list[NDArray[np.int64]] = []
        self.subject: list[NDArray[np.int64]] = []
        self.workflow: list[NDArray[np.int64]] = []
        self.person: list[NDArray[np.int64]] = []
        self.label: list[NDArray[np.int64]] = []
        self.answers: dict[str, list[NDArray[np.float64]]] = {"how_many": [], "first_seen_s": []}
        self._people: dict[str, int] = {}
        self._labels: dict[str, int] = {}

    def add(self, rows: pd.DataFrame, rule: VoteRule) -> NDArray[np.bool_]:
        """Take in a part and return which of its rows may count."""
        need_columns(rows, NEEDED)
        kept = _allowed(rows, rule)
        part = rows if kept.all() else rows[kept]
        classification = whole(part["classification_id"])
        self.classification.append(classification)
        self.subject.append(whole(part["subject_id"]))
        workflow = part["workflow_id"].fillna(-1) if "workflow_id" in part else pd.Series(-1, index=part.index)
        self.workflow.append(whole(workflow.rename("workflow_id")))
        self.person.append(self._number_people(part, classification))
        label = _number(part["label"], self._labels)
        if rule.tasks:
            need_columns(part, ("task",))
            label = np.where(part["task"].isin(rule.tasks), label, -1)
        self.label.append(label)
        for name, values in self.answers.items():
            values.append(numbers(part[name]) if name in part else np.full(len(part), np.nan))
        return kept

    def choose(self, rule: VoteRule) -> NDArray[np.int64]:
        """Return the places of the rows that count, ascending."""
        if not any(map(len, self.subject)):
            return np.zeros(0, dtype=np.int64)
        classification = np.concatenate(self.classification)
        once = _pair(_pair(np.concatenate(self.subject), np.concatenate(self.person)), np.concatenate(self.workflow))
        order = np.argsort(once, kind="stable")
        starts = run_starts(once[order])
        best = np.minimum if rule.repeats == "first" else np.maximum
        chosen = best.reduceat(classification[order], starts)
        lengths = np.diff(np.append(starts, len(order)))
        return np.sort(order[classification[order] == np.repeat(chosen, lengths)])

    def count(self, rule: VoteRule) -> Votes:
        """Return the votes."""
        chosen = self.choose(rule)
        if not len(chosen):
            nothing, number = np.zeros(0, dtype=np.int64), np.zeros(0)
            names = np.zeros(0, dtype=object)
            return Votes(nothing, names, names, nothing, nothing, nothing, nothing, number, number)
        subject_ids, subject = np.unique(np.concatenate(self.subject)[chosen], return_inverse=True)
        people, person = self._sort_people(np.concatenate(self.person)[chosen])
        labels, label = _sort_names(self._labels, np.concatenate(self.label)[chosen])
        looks, look = np.unique(subject * len(people) + person, return_inverse=True)
        answers = {name: np.concatenate(values)[chosen] for name, values in self.answers.items()}
        named = label >= 0
        choices, choice = np.unique(look[named] * max(len(labels), 1) + label[named], return_inverse=True)
        medians = {name: _settle(choice, values[named], len(choices)) for name, values in answers.items()}
        return Votes(
            subject_ids,
            people,
            labels,
            looks // len(people),
            looks % len(people),
            choices // max(len(labels), 1),
            choices % max(len(labels), 1),
            medians["how_many"],
            medians["first_seen_s"],
        )

    def name_people(self) -> Mapping[int, str]:
        """Return the name of each number of a person."""
        return _Names(self._people)

    def _number_people(self, part: pd.DataFrame, classification: NDArray[np.int64]) -> NDArray[np.int64]:
        users = part["user"]
        if "source_sha256" in part and "user_kind" in part:
            anonymous = (part["user_kind"] == "anonymous") & part["source_sha256"].notna() & users.notna()
            if anonymous.any():
                here = users[anonymous].astype(str) + " in " + part.loc[anonymous, "source_sha256"].astype(str)
                users = users.astype(object).where(~anonymous, here)
        # Who has no name gets a number below zero, which only that classification has.
        codes = _number(users, self._people)
        return np.where(codes >= 0, codes, -1 - classification)

    def _sort_people(self, codes: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the people of the codes by name, and the codes as places among them."""
        distinct, place = np.unique(codes, return_inverse=True)
        names = self.name_people()
        known = np.array([names[code] for code in distinct.tolist()], dtype=object)
        order = np.argsort(known, kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return known[order], rank[place]


class _Names(dict[int, str]):
    def __init__(self, codes: Mapping[str, int]) -> None:
        super().__init__((code, name) for name, code in codes.items())

    def __missing__(self, code: int) -> str:
        return f"classification {-1 - code}"


def _allowed(rows: pd.DataFrame, rule: VoteRule) -> NDArray[np.bool_]:
    """Return which rows the filters of the rule let pass."""
    kept = np.array(rows["classification_id"].notna() & rows["subject_id"].notna(), dtype=bool)
    if rule.live_only and "live" in rows:
        kept &= ~_is(rows["live"], False)
    if rule.skip_seen_before and "seen_before" in rows:
        kept &= ~_is(rows["seen_before"], True)
    for name, wanted in (("gold_standard", rule.gold_standard), ("expert", rule.experts)):
        if wanted == "only":
            need_columns(rows, (name,))
            kept &= _is(rows[name], True)
        elif wanted == "skip" and name in rows:
            kept &= ~_is(rows[name], True)
    if rule.first_version or rule.last_version:
        need_columns(rows, ("version_major", "version_minor"))
        major, minor = numbers(rows["version_major"]), numbers(rows["version_minor"])
        if rule.first_version:
            low = rule.first_version
            kept &= (major > low[0]) | ((major == low[0]) & (minor >= low[1]))
        if rule.last_version:
            high = rule.last_version
            kept &= (major < high[0]) | ((major == high[0]) & (minor <= high[1]))
    if rule.since or rule.until:
        need_columns(rows, ("created_at",))
        made = pd.to_datetime(rows["created_at"], utc=True, format="ISO8601", errors="coerce")
        if rule.since:
            kept &= (made >= _moment("since", rule.since)).to_numpy()
        if rule.until:
            kept &= (made < _moment("until", rule.until)).to_numpy()
    if rule.users:
        kept &= rows["user"].isin(rule.users).to_numpy()
    if rule.not_users:
        kept &= ~rows["user"].isin(rule.not_users).to_numpy()
    return kept


def _is(values: pd.Series[Any], wanted: bool) -> NDArray[np.bool_]:
    if values.dtype == bool:
        return np.asarray(values.to_numpy() == wanted)
    return np.asarray(values.eq(wanted).fillna(False), dtype=bool)


def _moment(name: str, text: str) -> pd.Timestamp:
    try:
        moment = pd.Timestamp(text)
    except ValueError:
        raise ConfigError(f"{name} is {text!r}; give a date such as 2024-05-31 or 2024-05-31T12:00:00Z.") from None
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment


def _number(names: pd.Series[Any], known: dict[str, int]) -> NDArray[np.int64]:
    """Return the number of each name, -1 where it is missing; names that are new are added to those known."""
    codes, distinct = pd.factorize(names)
    wanted = [known.setdefault(str(name), len(known)) for name in distinct]
    # The last place is that of -1: missing.
    found: NDArray[np.int64] = np.array([*wanted, -1], dtype=np.int64)[codes]
    return found


def _sort_names(known: Mapping[str, int], codes: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the names in use, sorted, and the codes as places among them; -1 stays."""
    used = np.bincount(codes[codes >= 0], minlength=len(known)) > 0
    names = sorted(name for name, code in known.items() if used[code])
    rank = np.full(len(known) + 1, -1, dtype=np.int64)
    rank[[known[name] for name in names]] = np.arange(len(names))
    return np.array(names, dtype=object), rank[codes]


def _pair(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one number a pair, in no particular order."""
    one, two = pd.factorize(first)[0], pd.factorize(second)[0]
    return np.asarray(one.astype(np.int64) * (int(two.max(initial=0)) + 1) + two)


def _settle(choice: NDArray[np.int64], answers: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the answer to each choice: the median where a person gave several."""
    if len(choice) == count:
        settled = np.empty(count)
        settled[choice] = answers
        return settled
    return np.asarray(grouped_quantiles(choice, answers, count, (0.5,))[0])


def whole(ids: pd.Series[Any]) -> NDArray[np.int64]:
    """Return ids as int64.

    Raises
    ------
    ConfigError
        If one is not a whole number.
    """
    if ids.dtype == np.int64:
        return np.asarray(ids)
    try:
        found = ids.astype("int64")
        # A fraction is cut off without a word, and would make two subjects one.
        if not (found == ids.astype("float64")).all():
            raise ValueError
    except (TypeError, ValueError):
        raise ConfigError(f"The column {ids.name} must hold whole numbers.") from None
    return np.asarray(found, dtype=np.int64)


def numbers(values: pd.Series[Any]) -> NDArray[np.float64]:
    """Return values as float64, NaN for what is no finite number."""
    found = np.asarray(pd.to_numeric(values, errors="coerce").astype("float64"), dtype=np.float64)
    return np.where(np.isfinite(found), found, np.nan)


def need_columns(rows: pd.DataFrame, wanted: Sequence[str]) -> None:
    """Raise ConfigError if the rows lack one of the columns."""
    missing = [column for column in wanted if column not in rows.columns]
    if missing:
        raise ConfigError(f"The rows have no column {', '.join(missing)}. Give the rows that flatten returns.")


def check_rule(shares: Mapping[str, float], min_people: int) -> None:
    """Raise ConfigError if a share of a rule lies outside 0 to 1, or `min_people` is below 1."""
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ConfigError(f"{name} is {share}; give a share from 0 to 1.")
    if min_people < 1:
        raise ConfigError(f"min_people is {min_people}; give 1 or more.")
