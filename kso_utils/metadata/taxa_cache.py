"""What a register of names was asked and what it answered, kept in the store's table `taxa_cache`.

A row is one question: a scientific name, or the LSID of an accepted name. No answer stands for "nothing was found".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.core.clock import utc_now
from kso_utils.core.progress import bar, track
from kso_utils.metadata.matching import accepted_id, exact_records
from kso_utils.metadata.worms import batches, fetch_matches, fetch_record, lsid, require_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kso_utils.metadata.worms import Record
    from kso_utils.store.engine import Store

    Answer = tuple[list[Record], str]

_LSID_START = lsid(0)[:-1]


def read_answers(store: Store, endpoint: str) -> tuple[dict[str, Answer], dict[int, Record | None]]:
    """Return what is known of a service's answers.

    Returns
    -------
    dict
        Name -> the records of its answer, and when it was fetched.
    dict
        AphiaID -> its record, for those that were asked for; None where there is none.
    """
    answers: dict[str, Answer] = {}
    others: dict[int, Record | None] = {}
    for row in store.read("taxa_cache", where={"source": endpoint}).to_dict("records"):
        name, records = str(row["name"]), (row["answer"] or {}).get("records", [])
        if name.startswith(_LSID_START):
            others[int(name.removeprefix(_LSID_START))] = records[0] if records else None
        else:
            answers[name] = (records, row["fetched_at"])
    return answers, others


def fetch_answers(store: Store, names: list[str], refresh: bool, endpoint: str) -> None:
    """Ask a service for names that have no answer yet, and for the accepted names that the answers point to.

    Every answer is written as it arrives: whatever happens later, it need not be asked for again.

    Parameters
    ----------
    store
        The store.
    names
        Each once, as `read_name` gives them.
    refresh
        Ask for all of them.
    endpoint
        The address of the service.

    Raises
    ------
    Interrupted, ArchiveError, ConfigError
        As `fetch_matches`.
    """
    require_endpoint(endpoint)
    answers, others = read_answers(store, endpoint)
    found = {name: records for name, (records, _) in answers.items()}
    missing = names if refresh else [name for name in names if name not in found]
    if missing:
        with bar("Asking WoRMS for names", len(missing)) as progress:
            for batch in batches(missing):
                news = dict(zip(batch, fetch_matches(batch, endpoint), strict=True))
                _keep(store, endpoint, news)
                found |= news
                progress.advance(len(batch))
    others = {} if refresh else others
    while wanted := _absent((found[name] for name in names), names, others):
        for number in track(wanted, "Asking WoRMS for accepted names"):
            others[number] = fetch_record(number, endpoint)
            record = others[number]
            _keep(store, endpoint, {lsid(number): [] if record is None else [record]})


def _absent(found: Iterable[list[Record]], names: list[str], others: Mapping[int, Record | None]) -> list[int]:
    """Return the AphiaIDs of accepted names whose records are not at hand."""
    ends = (
        accepted_id(record, others)
        for name, records in zip(names, found, strict=True)
        for record in exact_records(name, records)
    )
    return list(dict.fromkeys(number for number, at_hand in ends if number is not None and not at_hand))


def _keep(store: Store, endpoint: str, answers: Mapping[str, list[Record]]) -> None:
    rows = {
        "source": endpoint,
        "name": list(answers),
        "answer": [{"records": records} if records else None for records in answers.values()],
        "fetched_at": utc_now(),
    }
    store.upsert("taxa_cache", pd.DataFrame(rows), ["source", "name"])
