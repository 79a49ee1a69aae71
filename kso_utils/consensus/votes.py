"""Who voted for what: one person, one vote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, cast, get_args

import numpy as np
import pandas as pd

from kso_utils.consensus.counting.ballots import (
    Ballots,
    Names,
    Places,
    Register,
    choose,
    find_same,
    join,
    merge_people,
    split,
)
from kso_utils.consensus.counting.groups import grouped_quantiles, order_by, run_starts
from kso_utils.consensus.counting.parts import Here, Inline, There, run_each
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from kso_utils.consensus.counting.parts import Client, Parts

T = TypeVar("T")
Repeats = Literal["first", "last"]
Wanted = Literal["skip", "keep", "only"]
NEEDED = ("classification_id", "subject_id", "user", "label")
"""The columns without which rows are no votes."""
PART_ROWS = 200_000
"""About how many rows a part has: enough to forget what a part costs, few enough to lie in a processor's cache."""
_ANSWERS = ("how_many", "first_seen_s")
_READ = (*NEEDED, "user_kind", "source_sha256", "workflow_id", "task", *_ANSWERS)
_NOT_LOGGED_IN = "not-logged-in-"
_SAMPLED = 16


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
        The oldest and the newest version of a workflow that counts, as (major, minor); None for no limit. Where
        there is a limit, what has no version does not count.
    since, until
        The first moment that counts and the first that does not any more, ISO 8601 (without a zone: UTC); empty
        for no limit. Where there is a limit, what has no date does not count.
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

    A person is the value of `user`. Somebody who was not logged in (`user_kind` is `anonymous`, or the name begins as
    Zooniverse's names of such people do) is known within one export file only, so that where rows tell the file
    (`source_sha256`) the same name in two files is two people; unless both made the same classification, which tells
    that they are one. A row without a `user`, or with an empty one, is a person of its own, for nobody can tell. Rows
    without a subject or a classification id are dropped. A classification that marks nothing (its label is missing)
    stays: the person looked, and belongs in the denominator. Somebody who looked at a subject in two workflows is one
    person, who named what was named in either. Who named a label twice in one classification named it once, with the
    median of the answers. A classification that comes twice counts once. Names that are numbers are read as text.

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
        If a column is missing that the rule needs, an id is not a whole number, a filter's column holds neither true
        nor false, or a date is none.
    """
    [votes], _, _ = _gather(rows, rule or VoteRule(), Inline(), None)
    return cast(Votes, votes)


def gather_parts(
    rows: pd.DataFrame | Iterable[Any],
    rule: VoteRule | None = None,
    client: Client | None = None,
    part_rows: int = PART_ROWS,
) -> Parts:
    """Return what `gather` returns, in parts of whole subjects: time for a row and memory beside the votes stay flat.

    Parameters
    ----------
    rows, rule
        As for `gather`. With a client, parts of the table may also be futures of tables that lie on its workers; of
        those only the names of people and labels, and some ids of subjects, come here.
    client
        A `dask.distributed.Client`, on whose workers the parts are made and stay; in this process where None. What
        the parts hold does not depend on it.
    part_rows
        About how many rows a part has.

    Raises
    ------
    ConfigError
        As `gather`.
    """
    rule = rule or VoteRule()
    if client is None:
        return Here(_gather(rows, rule, Inline(), part_rows)[0])
    return There(client, *_gather(rows, rule, client, part_rows))


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
        filled: two rows have one `user` if and only if one person made them. The label is text, and missing in
        rows of a task that does not count.

    Raises
    ------
    ConfigError
        If a column is missing that the rule needs, an id is not a whole number, a filter's column holds neither true
        nor false, or a date is none.
    """
    rule = rule or VoteRule()
    kept, ballots, names = _number(rows, rule)
    register = Register([names])
    [ballots] = split(ballots, register.places[0], np.zeros(0, dtype=np.int64))
    people, person = _settle_people(register, [find_same(ballots, register.anonymous)])
    ballots = replace(ballots, person=person[ballots.person])
    chosen = np.sort(choose(ballots, rule.repeats)[0])
    found = rows[kept].iloc[chosen].reset_index(drop=True)
    return found.assign(
        subject_id=ballots.subject[chosen],
        classification_id=ballots.classification[chosen],
        user=people[ballots.person[chosen]],
        label=pd.array(_name(register.labels, ballots.label[chosen]), dtype="str"),
    )


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


def _gather(
    rows: pd.DataFrame | Iterable[Any], rule: VoteRule, client: Client, part_rows: int | None
) -> tuple[list[Any], NDArray[Any], NDArray[Any]]:
    """Return the votes of each part, as the client keeps values, and the people and labels of all."""

    def run(function: Callable[..., Any], *arguments: Any) -> Any:
        return client.submit(function, *arguments, pure=False)

    read = []
    for piece in [rows] if isinstance(rows, pd.DataFrame) else rows:
        lies_here = isinstance(piece, pd.DataFrame)
        read.append(run(_read, client.scatter([piece], hash=False)[0] if lies_here else piece, rule))
    register = Register(client.gather([run(attrgetter("names"), one) for one in read]))
    bounds = _bound(client.gather([run(attrgetter("some_subjects"), one) for one in read]), part_rows)
    # All rows are held in one form at a time: what is read goes as it is split, and so on.
    shares = [run(_split, *both, bounds) for both in zip(_let_go(read), register.places, strict=True)]
    pieces = [[run(itemgetter(part), one) for one in shares] for part in range(len(bounds) + 1)]
    del shares
    joined = [run(join, of_part) for of_part in _let_go(pieces)]
    [anonymous] = client.scatter([register.anonymous], broadcast=True, hash=False)
    some = register.anonymous.any()
    people, person = _settle_people(register, client.gather([run(find_same, one, anonymous) for one in joined if some]))
    names = client.scatter([person, people, register.labels], broadcast=True, hash=False)
    parts = run_each(client, _count, _let_go(joined), *names, rule.repeats)
    named = np.zeros(len(register.labels), dtype=bool)
    for one in client.gather([run(_label_is_named, part) for part in parts]):
        named |= one
    if not named.all():
        parts = [run(_drop_labels, part, named) for part in _let_go(parts)]
    return parts, people, register.labels[named]


def _let_go(values: list[T]) -> Iterator[T]:
    """Yield the values, none of which the list holds after its turn."""
    values.reverse()
    while values:
        yield values.pop()


class _Read(NamedTuple):
    """A piece of the table as numbers, and what must be known of all pieces: names, and some of the subjects."""

    ballots: Ballots
    names: Names
    some_subjects: NDArray[np.int64]


def _read(rows: pd.DataFrame, rule: VoteRule) -> _Read:
    _, ballots, names = _number(rows, rule)
    return _Read(ballots, names, ballots.subject[::_SAMPLED].copy())


def _split(read: _Read, places: Places, bounds: NDArray[np.int64]) -> list[Ballots]:
    return split(read.ballots, places, bounds)


def _bound(some_subjects: Sequence[NDArray[np.int64]], part_rows: int | None) -> NDArray[np.int64]:
    """Return the first subject of each part but the first, so that parts have about as many rows."""
    sample = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *some_subjects]))
    parts = -(-len(sample) * _SAMPLED // part_rows) if part_rows else 1
    bounds = np.unique(sample[np.arange(1, parts) * len(sample) // max(parts, 1)])
    return bounds[bounds > sample[:1]]


def _number(rows: pd.DataFrame, rule: VoteRule) -> tuple[NDArray[np.bool_], Ballots, Names]:
    """Return which rows may count, those rows as numbers, and the names behind the numbers."""
    need_columns(rows, (*NEEDED, *(["task"] if rule.tasks else [])))
    kept = _allowed(rows, rule)
    part = rows[[column for column in _READ if column in rows]]
    if not kept.all():
        part = part[kept]
    classification = whole(part["classification_id"])
    workflow, workflows = np.full(len(part), -1), np.zeros(0, dtype=np.int64)
    if "workflow_id" in part:
        workflow, distinct = pd.factorize(part["workflow_id"])
        workflows = whole(pd.Series(distinct, name="workflow_id"))
    person, people, anonymous = _number_people(part, classification)
    label, labels = _number_names(part["label"])
    if rule.tasks:
        label = np.where(part["task"].isin(rule.tasks), label, -1)
    ballots = Ballots(
        classification,
        whole(part["subject_id"]),
        workflow.astype(np.int32),
        person.astype(np.int32),
        label.astype(np.int32),
        *(numbers(part[name]) if name in part else np.full(len(part), np.nan) for name in _ANSWERS),
    )
    return kept, ballots, Names(people, anonymous, labels, pd.Index(workflows))


def _number_people(
    part: pd.DataFrame, classification: NDArray[np.int64]
) -> tuple[NDArray[np.int64], pd.Index[Any], NDArray[np.bool_]]:
    """Return the number of each row's person, and each person's name and whether that is an anonymous one."""
    user = part["user"]
    person, distinct = _number_names(user)
    if (distinct == "").any():
        person, distinct = _number_names(user.astype(object).mask(user == ""))
    nameless = np.flatnonzero(person < 0)
    made, classifications = pd.factorize(classification[nameless])
    person[nameless] = len(distinct) + made
    own = pd.Index([f"classification {one}" for one in classifications.tolist()], dtype="str")
    people = distinct.append(own)
    hidden = np.asarray(people.str.startswith(_NOT_LOGGED_IN), dtype=bool)[person]
    if "user_kind" in part:
        hidden |= np.asarray(part["user_kind"].eq("anonymous").fillna(False), dtype=bool)
    hidden[nameless] = False
    if not hidden.any():
        return person, people, np.zeros(len(people), dtype=bool)
    missing = pd.Series(None, index=part.index, dtype="str")
    file, files = pd.factorize(part.get("source_sha256", missing))
    person, pairs = pd.factorize(person * (len(files) + 1) + np.where(hidden, file + 1, 0))
    whose, where = np.divmod(pairs, len(files) + 1)
    suffix = pd.Index(["", *(f" in {name}" for name in files)], dtype="str")
    anonymous = np.zeros(len(pairs), dtype=bool)
    anonymous[person[hidden]] = True
    return person, people.take(whose) + suffix.take(where), anonymous


def _settle_people(register: Register, same: Sequence[NDArray[np.int32]]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return the people that are left where some names are one person's, and the place of each name among them."""
    lowest = merge_people(same, len(register.people))
    left = lowest == np.arange(len(lowest))
    place = np.cumsum(left, dtype=np.int32) - np.int32(1)
    return register.people[left], place[lowest]


def _count(
    ballots: Ballots, person: NDArray[np.int32], people: NDArray[Any], labels: NDArray[Any], repeats: Repeats
) -> Votes:
    """Return the votes of whole subjects: `person` tells of each number in the ballots its place in `people`."""
    counting = replace(ballots, person=person[ballots.person])
    _, counting = choose(counting, repeats)
    starts = run_starts(counting.subject, counting.person)
    look = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(counting.subject))))
    subject = counting.subject[starts]
    first = run_starts(subject)
    named = np.flatnonzero(counting.label >= 0)
    # Of one workflow the labels are in order already.
    if (counting.workflow != counting.workflow[:1]).any():
        named = named[order_by(look[named], counting.label[named])]
    choices = run_starts(look[named], counting.label[named])
    chosen = named[choices]
    return Votes(
        subject[first],
        people,
        labels,
        np.repeat(np.arange(len(first)), np.diff(np.append(first, len(subject)))),
        counting.person[starts].astype(np.int64),
        look[chosen],
        counting.label[chosen].astype(np.int64),
        _settle(choices, counting.how_many[named]),
        _settle(choices, counting.first_seen_s[named]),
    )


def _settle(starts: NDArray[np.int64], answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the answer to each choice: the median where a person gave several."""
    settled = answers[starts]
    sizes = np.diff(np.append(starts, len(answers)))
    several = sizes > 1
    if several.any():
        group = np.repeat(np.arange(several.sum()), sizes[several])
        settled[several] = grouped_quantiles(group, answers[np.repeat(several, sizes)], int(several.sum()), (0.5,))[0]
    return settled


def _label_is_named(votes: Votes) -> NDArray[np.bool_]:
    return np.bincount(votes.choice_label, minlength=len(votes.labels)) > 0


def _drop_labels(votes: Votes, named: NDArray[np.bool_]) -> Votes:
    return replace(votes, labels=votes.labels[named], choice_label=(np.cumsum(named) - 1)[votes.choice_label])


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
        odd = rows.loc[(made.isna() & rows["created_at"].notna()).to_numpy(), "created_at"]
        if len(odd):
            raise ConfigError(
                f"The column created_at holds {odd.iloc[0]!r}; give moments such as 2024-05-31T12:00:00Z, or leave out "
                "since and until."
            )
        if rule.since:
            kept &= (made >= _moment("since", rule.since)).to_numpy()
        if rule.until:
            kept &= (made < _moment("until", rule.until)).to_numpy()
    if rule.users:
        kept &= pd.Index(texts(rows["user"])).isin(rule.users)
    if rule.not_users:
        kept &= ~pd.Index(texts(rows["user"])).isin(rule.not_users)
    return kept


def _is(values: pd.Series[Any], wanted: bool) -> NDArray[np.bool_]:
    if values.dtype == bool:
        return np.asarray(values.to_numpy() == wanted)
    # A text is never equal to either, so that tests and experts would count without a word.
    if not values.dropna().isin([True, False]).all():
        raise ConfigError(f"The column {values.name} must hold true, false or nothing.")
    return np.asarray(values.eq(wanted).fillna(False), dtype=bool)


def _moment(name: str, text: str) -> pd.Timestamp:
    moment = pd.to_datetime(text, errors="coerce")
    if pd.isna(moment):
        raise ConfigError(f"{name} is {text!r}; give a date such as 2024-05-31 or 2024-05-31T12:00:00Z.")
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment


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


def texts(values: pd.Series[Any]) -> NDArray[Any]:
    """Return labels or other names as (n,) str objects, None where there is none, numbers as `gather` reads them."""
    code, names = _number_names(values)
    return _name(np.asarray(names, dtype=object), code)


def _name(names: NDArray[Any], code: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """Return (n,) the name with each number, None for -1."""
    found: NDArray[Any] = np.append(names, np.array([None]))[code]
    return found


def _number_names(values: pd.Series[Any]) -> tuple[NDArray[np.int64], pd.Index[Any]]:
    """Return the number of each name, -1 where there is none, and the names as text; some may come twice.

    A number is named without `.0`: numbers become fractions in a table, or a part of it, where one of them is missing.
    """
    code, distinct = pd.factorize(values)
    names = pd.Index(distinct)
    if pd.api.types.infer_dtype(names) != "string":
        names = pd.Index([_without_fraction(value) for value in names.tolist()], dtype=object)
    return code, names.astype("str")


def _without_fraction(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def numbers(values: pd.Series[Any]) -> NDArray[np.float64]:
    """Return values as float64, NaN for what is no finite number."""
    found = np.asarray(pd.to_numeric(values, errors="coerce").astype("float64"), dtype=np.float64)
    # Of two zeros that differ in sign alone, one comes out wherever it comes in.
    return np.where(np.isfinite(found), found, np.nan) + 0.0


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
