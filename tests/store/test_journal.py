from __future__ import annotations

import pytest

from kso_utils.core.journal import FileJournal
from kso_utils.store.journal import StoreJournal


@pytest.fixture(params=["file", "store"])
def journal(request, store, tmp_path):
    if request.param == "file":
        return FileJournal(tmp_path / "journal.jsonl")
    return StoreJournal(store, "transfers")


def test_an_unknown_key_has_no_state(journal):
    assert journal.get("a") is None


def test_the_last_state_counts(journal):
    journal.put("a", {"part": 1})
    journal.put("a", {"part": 2, "etags": ["x", None]})
    assert journal.get("a") == {"part": 2, "etags": ["x", None]}


def test_pending_is_what_was_put_and_not_dropped_oldest_first(journal):
    for key in ("z", "b", "a"):
        journal.put(key, {"key": key})
    journal.put("z", {"key": "again"})
    journal.drop("b")
    assert list(journal.pending().items()) == [("z", {"key": "again"}), ("a", {"key": "a"})]


def test_dropping_an_unknown_key_is_no_fault(journal):
    journal.drop("never put")
    assert journal.pending() == {}


def test_prefixes_keep_purposes_apart(store):
    for prefix in ("a", "A", "a:b", "%"):
        StoreJournal(store, prefix).put("key", {"of": prefix})
    assert StoreJournal(store, "a").pending() == {"key": {"of": "a"}}
    assert StoreJournal(store, "%").pending() == {"key": {"of": "%"}}
    StoreJournal(store, "a").drop("key")
    assert StoreJournal(store, "A").get("key") == {"of": "A"}
