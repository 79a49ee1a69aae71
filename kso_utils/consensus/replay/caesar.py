"""Retirement rules as Zooniverse's Caesar writes them: extract, reduce, compare, effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.consensus.replay.conditions import Condition, Constant, Lookup, read_condition
from kso_utils.consensus.replay.reductions import Extractor, Reducer, extract, match_code, reduce_looks
from kso_utils.core.errors import ConfigError
from kso_utils.core.log import logger

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kso_utils.consensus.replay.history import History
    from kso_utils.consensus.replay.reductions import Extracts

_log = logger(__name__)

_FIELDS = {"count": ("classifications", "extracts"), "consensus": ("most_likely", "num_votes", "agreement")}
# What a part of the configuration may hold, and which values of what changes nothing here.
_EXTRACTOR = {"survey": ("nothing_here_choice",), "question": (), "blank": ()}
_HARMLESS = {
    "if_missing": ("error", "ignore"),
    "topic": ("reduce_by_subject",),
    "reduction_mode": ("default_reduction", "running_reduction"),
    "training_behavior": ("ignore_training",),
}


@dataclass(frozen=True, slots=True)
class CaesarRules:
    """Rules of a workflow in Caesar that retire subjects.

    Attributes
    ----------
    extractors, reducers
        By their keys.
    rules
        Conditions with the reason for retiring; of several that hold the first one counts.
    """

    extractors: Mapping[str, Extractor]
    reducers: Mapping[str, Reducer]
    rules: tuple[tuple[Condition, str], ...]

    def fires(self, history: History) -> NDArray[np.object_]:
        """Return the reason for retiring after each look; None where there is none.

        Raises
        ------
        ConfigError
            If nobody answered the task that an extractor reads.
        """
        extracts = {key: extract(history, extractor) for key, extractor in self.extractors.items()}
        codes = sorted({code for part in extracts.values() for code in part.keys})
        reasons = np.full(len(history.order), None, dtype=object)

        def find(lookup: Lookup) -> NDArray[Any]:
            if isinstance(lookup.absent, str):
                lookup = replace(lookup, absent=name(lookup.absent))
            return self._find(history, extracts, lookup)

        def name(text: str) -> str:
            parts = text.split("+") if text else []
            return "+".join(sorted(part if part in codes else match_code(part, codes) for part in parts))

        absent = {lookup.absent for condition, _ in self.rules for lookup, _ in condition.lookups()}

        def compared(text: str) -> str:
            unknown = [part for part in name(text).split("+") if part and part not in codes]
            if unknown and text not in absent:
                _log.warning("The rules compare with %s: nobody named %s.", text, ", ".join(unknown))
            return name(text)

        for condition, reason in reversed(self.rules):
            reasons[condition.holds(find, compared)] = reason
        return reasons

    def _find(self, history: History, extracts: Mapping[str, Extracts], lookup: Lookup) -> NDArray[Any]:
        reducer = self.reducers[lookup.reducer]
        values, there = reduce_looks(history, reducer, [extracts[key] for key in reducer.extractors], lookup.field)
        if reducer.kind == "stats" and len(there) and not there.any():
            _log.warning("%s: nobody named %s.", lookup.place, lookup.field)
        if isinstance(lookup.absent, int | float) and values.dtype != object:
            return np.where(there, values, lookup.absent)
        found = values.astype(object)
        found[~there] = lookup.absent
        return found


def read_caesar_rules(config: Mapping[str, Any]) -> CaesarRules:
    """Return the rules of a workflow from Caesar's own configuration.

    What can be simulated: extractors `survey`, `question` and `blank`; reducers `count`, `stats` and `consensus`, with
    the filters `from`, `to`, `extractor_keys`, `empty_extracts` and `repeated_classifications` (one person has one vote
    here, and which one is said by the `VoteRule`); conditions `lt`, `lte`, `gt`, `gte`, `eq`, `and`, `or` and `not` of
    `const` and `lookup`; the effect `retire_subject`. Keys and texts may be Zooniverse's codes of labels or the labels:
    `BLUESHARK` is `Blue shark`. A look without an answer to the task of an extractor is an empty one. Zooniverse's
    choice for nothing is no label: name it as `nothing_here_choice`, so that empty looks have that key. Answers of a
    question are known by their words; write these where Caesar has their number (`0` for the first).

    Parameters
    ----------
    config
        `{"extractors": {key: {"type": ...}}, "reducers": {key: {"type": ...}}, "rules": [{"if": condition, "then":
        [{"action": "retire_subject", "reason": ...}]}]}`, as decoded JSON; the names `extractors_config` and so on do
        as well.

    Raises
    ------
    ConfigError
        If something is unknown or cannot be simulated; the message names the place.
    """
    parts = {name.removesuffix("_config"): part for name, part in _table(config, "The configuration").items()}
    _refuse_others(parts, ("extractors", "reducers", "rules"), "The configuration")
    extractors = {
        str(key): _read_extractor(part, f"extractors.{key}")
        for key, part in _table(parts.get("extractors", {}), "extractors").items()
    }
    reducers = {
        str(key): _read_reducer(part, tuple(extractors), f"reducers.{key}")
        for key, part in _table(parts.get("reducers", {}), "reducers").items()
    }
    rules = parts.get("rules")
    if not isinstance(rules, list) or not rules:
        raise ConfigError(f"rules: {rules!r} is no list of rules.")
    read = tuple(_read_rule(part, f"rules[{n}]") for n, part in enumerate(rules))
    for condition, _ in read:
        for lookup, operator in condition.lookups():
            _check_lookup(lookup, operator, reducers)
    return CaesarRules(extractors, reducers, read)


def fixed_rules(votes: int) -> CaesarRules:
    """Return the rule that retires a subject after so many classifications.

    Raises
    ------
    ConfigError
        If `votes` is below 1.
    """
    if votes < 1:
        raise ConfigError(f"votes is {votes}; give 1 or more.")
    count = Reducer("count", ("blank",))
    enough = Condition("gte", (Lookup("count", "classifications", 0, "fixed_rules"), Constant(votes)))
    return CaesarRules({"blank": Extractor("blank", None)}, {"count": count}, ((enough, "classification_count"),))


def serengeti_rules(task: str | None = None) -> CaesarRules:
    """Return the rules of Snapshot Serengeti (Swanson et al. 2015, Sci. Data 2:150026).

    A subject is retired when the first 5 people saw nothing, when 10 saw nothing, when 10 named the same species or the
    same combination of species, or when 25 looked. `task` is the one that asks for species, None for any.
    """
    limits = (
        ("first", "blank", 5, "nothing_here"),
        ("blank", "blank", 10, "nothing_here"),
        ("match", "num_votes", 10, "consensus"),
        ("count", "classifications", 25, "classification_count"),
    )
    return CaesarRules(
        extractors={"survey": Extractor("survey", task), "blank": Extractor("blank", task)},
        reducers={
            "first": Reducer("stats", ("blank",), last=4),
            "blank": Reducer("stats", ("blank",)),
            "match": Reducer("consensus", ("survey",), skip_empty=True),
            "count": Reducer("count", ("blank",)),
        },
        rules=tuple(
            (Condition("gte", (Lookup(reducer, field, 0, "serengeti_rules"), Constant(least))), reason)
            for reducer, field, least, reason in limits
        ),
    )


def _read_extractor(config: Any, place: str) -> Extractor:
    part = _table(config, place)
    kind = _one_of(part.get("type"), tuple(_EXTRACTOR), f"{place}.type")
    _refuse_others(part, ("type", "task_key", "if_missing", *_EXTRACTOR[kind]), place)
    _check_harmless(part, place)
    task, nothing = part.get("task_key", "T0"), part.get("nothing_here_choice") or ""
    for name, text in (("task_key", task), ("nothing_here_choice", nothing)):
        if not isinstance(text, str):
            raise ConfigError(f"{place}.{name} is {text!r}; give a text.")
    return Extractor(kind, task, nothing)  # type: ignore[arg-type]


def _read_reducer(config: Any, extractors: tuple[str, ...], place: str) -> Reducer:
    part = _table(config, place)
    kind = _one_of(part.get("type"), ("count", "stats", "consensus"), f"{place}.type")
    _refuse_others(part, ("type", "filters", "topic", "reduction_mode"), place)
    _check_harmless(part, place)
    inside = f"{place}.filters"
    filters = {name: value for name, value in _table(part.get("filters") or {}, inside).items() if value is not None}
    known = ("from", "to", "extractor_keys", "empty_extracts", "repeated_classifications", "training_behavior")
    _refuse_others(filters, known, inside)
    _check_harmless(filters, inside)
    keys = filters.get("extractor_keys") or list(extractors)
    keys = [keys] if isinstance(keys, str) else keys
    if not isinstance(keys, list) or not keys:
        raise ConfigError(f"{place}: there is no extractor that it could read.")
    for key in keys:
        _one_of(key, extractors, f"{inside}.extractor_keys")
    _one_of(
        filters.get("repeated_classifications", "keep_first"),
        ("keep_first", "keep_last"),
        f"{inside}.repeated_classifications",
    )
    empty = _one_of(filters.get("empty_extracts", "keep_all"), ("keep_all", "ignore_empty"), f"{inside}.empty_extracts")
    first, last = filters.get("from", 0), filters.get("to", -1)
    if not isinstance(first, int) or not isinstance(last, int) or first < 0 or last < -1:
        raise ConfigError(f"{inside}: from {first!r} to {last!r}; count from 0, and give -1 as the end for all.")
    return Reducer(kind, tuple(keys), first, last, empty == "ignore_empty")  # type: ignore[arg-type]


def _read_rule(config: Any, place: str) -> tuple[Condition, str]:
    part = _table(config, place)
    _refuse_others(part, ("if", "then"), place)
    effects = part.get("then")
    if not isinstance(effects, list) or len(effects) != 1:
        raise ConfigError(f"{place}.then: {effects!r}; give one effect, retire_subject, in a list.")
    effect = _table(effects[0], f"{place}.then[0]")
    _one_of(effect.get("action"), ("retire_subject",), f"{place}.then[0].action")
    _refuse_others(effect, ("action", "reason"), f"{place}.then[0]")
    reason = effect.get("reason", "other")
    if not isinstance(reason, str) or not reason:
        raise ConfigError(f"{place}.then[0].reason is {reason!r}; give a text.")
    return read_condition(part.get("if"), f"{place}.if"), reason


def _check_lookup(lookup: Lookup, operator: str, reducers: Mapping[str, Reducer]) -> None:
    _one_of(lookup.reducer, tuple(reducers), f"{lookup.place}: the reducer")
    kind = reducers[lookup.reducer].kind
    if kind in _FIELDS:
        _one_of(lookup.field, _FIELDS[kind], f"{lookup.place}: what a {kind} reducer gives")
    if lookup.field == "most_likely" and kind == "consensus" and operator != "eq":
        raise ConfigError(f"{lookup.place}: {operator} compares numbers, and most_likely is none.")


def _table(config: Any, place: str) -> dict[str, Any]:
    if not isinstance(config, Mapping):
        raise ConfigError(f"{place}: {config!r} is no table of names and values.")
    return dict(config)


def _one_of(value: Any, known: tuple[str, ...], place: str) -> str:
    if value not in known:
        raise ConfigError(f"{place} is {value!r}; what can be simulated is {', '.join(known) or 'nothing'}.")
    return str(value)


def _refuse_others(part: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    if others := sorted(str(name) for name in part if name not in known):
        raise ConfigError(f"{place}: {', '.join(others)} cannot be simulated; known are {', '.join(known)}.")


def _check_harmless(part: Mapping[str, Any], place: str) -> None:
    for name, values in _HARMLESS.items():
        if name in part:
            _one_of(part[name], values, f"{place}.{name}")
