import copy
import logging
import operator
from collections import Counter
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import VoteRule, fixed_rules, read_caesar_rules, serengeti_rules
from kso_utils.consensus.replay.history import build_history
from kso_utils.core.errors import ConfigError

COMPARE = {"lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge, "eq": operator.eq}
SURVEY = {"survey": {"type": "survey", "nothing_here_choice": "NTHNGHR"}}
BOTH = {"survey": {"type": "survey"}, "blank": {"type": "blank"}}


def retire(reason="consensus"):
    return [{"action": "retire_subject", "reason": reason}]


def at_least(key, least):
    return ["gte", ["lookup", key, 0], ["const", least]]


def config(*rules, extractors=BOTH, **reducers):
    """Rules with the reason `reason 0`, `reason 1` ...."""
    rules = [{"if": rule, "then": retire(f"reason {n}")} for n, rule in enumerate(rules)]
    return {"extractors": extractors, "reducers": reducers, "rules": rules}


def history_of(*subjects, **columns):
    """Looks of each subject, each a list of labels."""
    rows = [
        (1000 * n + 10 * m, n, f"u{m}", label)
        for n, looks in enumerate(subjects)
        for m, labels in enumerate(looks)
        for label in labels or [None]
    ]
    table = pd.DataFrame(rows, columns=["classification_id", "subject_id", "user", "label"])
    return build_history(table.assign(**columns), VoteRule())


def fires(rules, *subjects, **columns):
    return rules.fires(history_of(*subjects, **columns)).tolist()


def read_as_caesar(extractor, labels):
    if extractor["type"] == "blank":
        return {"blank": int(not labels)}
    found = dict.fromkeys(sorted(label.upper() for label in labels), 1)
    nothing = extractor.get("nothing_here_choice")
    return found or ({nothing: 1} if nothing else {})


def reduce_as_caesar(reducer, extractors, looks):
    filters = {name: value for name, value in reducer.get("filters", {}).items() if value is not None}
    last = filters.get("to", -1)
    keys = filters.get("extractor_keys", list(extractors))
    inside = [look for n, look in enumerate(looks) if n >= filters.get("from", 0) and (last < 0 or n <= last)]
    extracts = [
        (n, read_as_caesar(extractors[key], look))
        for n, look in enumerate(inside)
        for key in ([keys] if isinstance(keys, str) else keys)
    ]
    if filters.get("empty_extracts") == "ignore_empty":
        extracts = [(n, found) for n, found in extracts if found]
    if reducer["type"] == "count":
        return {"classifications": len({n for n, _ in extracts}), "extracts": len(extracts)}
    if reducer["type"] == "stats":
        total = {}
        for _, found in extracts:
            for key, value in found.items():
                total[key] = total.get(key, 0) + value
        return total
    votes = Counter("+".join(found) for _, found in extracts)
    if not votes:
        return {"num_votes": 0}
    came = list(votes)
    leader = max(came, key=lambda keys: (votes[keys], came.index(keys)))
    return {"most_likely": leader, "num_votes": votes[leader], "agreement": votes[leader] / sum(votes.values())}


def holds_in_caesar(condition, found):
    name, *terms = condition
    if name == "const":
        return terms[0]
    if name == "lookup":
        reducer, field = terms[0].split(".")
        return found[reducer].get(field, terms[1])
    values = [holds_in_caesar(term, found) for term in terms]
    if name in COMPARE:
        return all(COMPARE[name](one, two) for one, two in pairwise(values))
    return {"and": all(values), "or": any(values), "not": not values[0]}[name]


def fire_as_caesar(rules, looks):
    for n in range(len(looks)):
        so_far = looks[: n + 1]
        found = {key: reduce_as_caesar(part, rules["extractors"], so_far) for key, part in rules["reducers"].items()}
        told = [part["then"][0]["reason"] for part in rules["rules"] if holds_in_caesar(part["if"], found)]
        yield told[0] if told else None


CONFIGS = {
    "count": config(at_least("n.classifications", 3), n={"type": "count"}),
    "extracts": config(at_least("n.extracts", 5), n={"type": "count"}),
    "label": config(at_least("sum.COD", 2), sum={"type": "stats"}),
    "between": config(["lt", ["const", 0], ["lookup", "sum.COD", 0], ["const", 2]], sum={"type": "stats"}),
    "first blanks": config(
        at_least("first.blank", 2), first={"type": "stats", "filters": {"to": 1, "extractor_keys": "blank"}}
    )
    | {"extractors": {"blank": {"type": "blank"}}},
    "window": config(at_least("some.CRAB", 1), some={"type": "stats", "filters": {"from": 1, "to": 2}}),
    "no limits": config(
        at_least("n.classifications", 3),
        n={"type": "count", "filters": dict.fromkeys(("from", "to", "extractor_keys", "empty_extracts"))},
    ),
    "same": config(at_least("same.num_votes", 2), extractors=SURVEY, same={"type": "consensus"}),
    "share": config(
        ["and", ["gt", ["lookup", "same.agreement", 0], ["const", 0.6]], at_least("n.classifications", 2)],
        same={"type": "consensus", "filters": {"extractor_keys": ["survey"], "empty_extracts": "ignore_empty"}},
        n={"type": "count"},
    ),
    "both extractors": config(["lt", ["const", 1], ["lookup", "same.num_votes", 9]], same={"type": "consensus"}),
    "leader": config(
        ["eq", ["lookup", "same.most_likely", "none"], ["const", "COD+CRAB"]],
        ["eq", ["lookup", "same.most_likely", "none"], ["const", "NTHNGHR"]],
        ["not", ["eq", ["lookup", "same.most_likely", "none"], ["const", "COD"], ["const", "COD"]]],
        extractors=SURVEY,
        same={"type": "consensus", "filters": {"from": 1}},
    ),
    "no leader": config(
        ["eq", ["lookup", "same.most_likely", "none"], ["const", "none"]],
        extractors=SURVEY,
        same={"type": "consensus", "filters": {"from": 1}},
    ),
    "leader of blanks": config(
        ["eq", ["lookup", "same.most_likely", ""], ["const", "blank"]], same={"type": "consensus"}
    ),
    "absent": config(
        [
            "or",
            ["lte", ["const", 1], ["lookup", "sum.COD", 7], ["const", 7]],
            ["eq", ["lookup", "sum.EEL", 0], ["const", 9]],
        ],
        extractors=SURVEY,
        sum={"type": "stats"},
    ),
}
looks = st.lists(st.lists(st.sampled_from(["Cod", "Crab", "Eel"]), max_size=3, unique=True), max_size=6)


@pytest.mark.parametrize("name", CONFIGS)
@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(looks, max_size=4))
def test_rules_fire_as_in_caesar(name, subjects):
    expected = [reason for subject in subjects for reason in fire_as_caesar(CONFIGS[name], subject)]
    assert fires(read_caesar_rules(CONFIGS[name]), *subjects) == expected


def test_names_of_the_parts_may_be_those_of_the_interface():
    rules = config(at_least("n.classifications", 2), n={"type": "count"})
    assert read_caesar_rules({f"{name}_config": part for name, part in rules.items()}) == read_caesar_rules(rules)


@pytest.mark.parametrize("key", ["Blue shark", "BLUESHARK", "BLSHRK", "blueshark"])
def test_labels_are_known_by_their_codes(key):
    rules = read_caesar_rules(config(at_least(f"sum.{key}", 1), sum={"type": "stats"}))
    assert fires(rules, [["Cod"], ["Blue shark"]]) == [None, "reason 0"]


def test_a_code_without_vowels_that_two_labels_have_is_neither():
    rules = read_caesar_rules(config(at_least("sum.CRB", 1), sum={"type": "stats"}))
    assert fires(rules, [["Crab"], ["Carob"]]) == [None, None]


def test_a_key_that_nobody_named_is_told(caplog):
    rules = read_caesar_rules(config(at_least("sum.LION", 1), sum={"type": "stats"}))
    with caplog.at_level(logging.WARNING, "kso_utils"):
        fires(rules, [["Cod"]])
    assert "rules[0].if[1]: nobody named LION" in caplog.text


@pytest.mark.parametrize(("text", "told"), [("Cod+LION", True), ("Cod", False), ("none", False), ("", False)])
def test_a_text_that_nobody_named_is_told(caplog, text, told):
    same = ["eq", ["lookup", "same.most_likely", "none"], ["const", text]]
    with caplog.at_level(logging.WARNING, "kso_utils"):
        fires(read_caesar_rules(config(same, same={"type": "consensus"})), [["Cod"]])
    assert ("nobody named LION" in caplog.text) == bool(caplog.records) == told


def test_an_extractor_reads_its_own_task():
    rules = read_caesar_rules(
        config(
            at_least("sum.COD", 1), extractors={"survey": {"type": "survey", "task_key": "T4"}}, sum={"type": "stats"}
        )
    )
    assert fires(rules, [["Cod"], ["Cod"]], task=["T0", "T4"]) == [None, "reason 0"]


def test_a_task_that_nobody_answered_is_refused():
    rules = read_caesar_rules(config(at_least("n.classifications", 1), n={"type": "count"}))
    with pytest.raises(ConfigError, match="task T0, but the rows answer T4"):
        fires(rules, [["Cod"]], task="T4")


@pytest.mark.parametrize(
    ("looks", "reason", "after"),
    [
        ([[]] * 5, "nothing_here", 5),
        ([["Cod"], *[[]] * 10], "nothing_here", 11),
        ([["Cod", "Crab"]] * 10, "consensus", 10),
        ([*[["Cod"]] * 9, *[["Crab"]] * 9, *[["Cod", "Crab"]] * 7], "classification_count", 25),
    ],
)
def test_the_rules_of_snapshot_serengeti(looks, reason, after):
    assert fires(serengeti_rules(), looks) == [None] * (after - 1) + [reason]


def test_a_fixed_number_asks_for_no_task():
    assert fires(fixed_rules(2), [["Cod"], []], task="T9") == [None, "classification_count"]


def changed(path, value):
    """A configuration of which one place is other."""
    rules = copy.deepcopy(CONFIGS["share"])
    part = rules
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return rules


WRONG = [
    (("extractors",), [], "extractors: "),
    (("extractors", "survey"), {"type": "external"}, r"extractors\.survey\.type is 'external'"),
    (("extractors", "survey"), "survey", r"extractors\.survey: 'survey'"),
    (("extractors", "survey", "url"), "https://example.org", r"extractors\.survey: url"),
    (("extractors", "survey", "task_key"), 4, r"extractors\.survey\.task_key is 4"),
    (("extractors", "survey", "if_missing"), "nothing_here", r"extractors\.survey\.if_missing"),
    (("reducers", "n", "type"), "sqs", r"reducers\.n\.type is 'sqs'"),
    (("reducers", "n", "grouping"), {"field_name": "x"}, r"reducers\.n: grouping"),
    (("reducers", "n", "topic"), "reduce_by_user", r"reducers\.n\.topic"),
    (("reducers", "n", "filters"), {"extractor_keys": ["swap"]}, r"reducers\.n\.filters\.extractor_keys is 'swap'"),
    (("reducers", "n", "filters"), {"repeated_classifications": "keep_all"}, "repeated_classifications is 'keep_all'"),
    (("reducers", "n", "filters"), {"from": -3}, r"reducers\.n\.filters: from -3"),
    (("reducers", "n", "filters"), {"to": "9"}, r"reducers\.n\.filters: from 0 to '9'"),
    (("rules",), {}, "rules: {}"),
    (("rules", 0, "if"), ["nor", 1], r"rules\[0\]\.if: 'nor'"),
    (("rules", 0, "if"), "True", r"rules\[0\]\.if: 'True'"),
    (("rules", 0, "if"), ["not"], r"rules\[0\]\.if: not takes one condition"),
    (("rules", 0, "if", 1), ["gte", ["const", 5]], r"rules\[0\]\.if\[1\]: gte compares two"),
    (("rules", 0, "if", 1), ["gte", ["const", 5], ["const", 4]], r"rules\[0\]\.if\[1\]: nothing is looked up"),
    (("rules", 0, "if", 1, 1), ["lookup", "n.classifications"], r"rules\[0\]\.if\[1\]\[1\]: .* is no value"),
    (("rules", 0, "if", 1, 1), ["lookup", "n", 0], r"rules\[0\]\.if\[1\]\[1\]: lookup of 'n'"),
    (("rules", 0, "if", 1, 1), ["lookup", "n.people", 0], "is 'people'; .* classifications, extracts"),
    (("rules", 0, "if", 1, 1), ["lookup", "subject.#limit", 0], r"the reducer is 'subject'"),
    (("rules", 0, "if", 1, 1), ["lookup", "same.most_likely", 0], "gt compares numbers, and most_likely is none"),
    (("rules", 0, "if", 1, 1), ["lookup", "n.classifications", "no"], "gt compares numbers, and 'no' is none"),
    (("rules", 0, "if", 1, 1), ["lookup", "n.classifications", [0]], r"stands for \[0\]"),
    (("rules", 0, "if", 1, 2), ["const", None], "const is None"),
    (("rules", 0, "if", 1, 2), ["const", "7"], "gt compares numbers, and '7' is none"),
    (("rules", 0, "if", 1, 2), ["+", ["const", 1], ["const", 1]], r"rules\[0\]\.if\[1\]\[2\]"),
    (("rules", 0, "then"), [], r"rules\[0\]\.then"),
    (("rules", 0, "then", 0, "action"), "add_subject_to_set", r"rules\[0\]\.then\[0\]\.action is 'add_subject_to_set'"),
    (("rules", 0, "then", 0, "reason"), "", r"rules\[0\]\.then\[0\]\.reason"),
    (("rules", 0, "unless"), [], r"rules\[0\]: unless"),
    (("webhooks",), [], "webhooks"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_what_cannot_be_simulated_is_refused_with_its_place(path, value, message):
    with pytest.raises(ConfigError, match=message):
        read_caesar_rules(changed(path, value))


def test_a_reducer_without_any_extractor_is_refused():
    with pytest.raises(ConfigError, match=r"reducers\.n: there is no extractor"):
        read_caesar_rules(config(at_least("n.classifications", 1), extractors={}, n={"type": "count"}))


def test_no_votes_are_refused():
    with pytest.raises(ConfigError, match="votes is 0"):
        fixed_rules(0)
