"""What there is on Zooniverse, listed 100 a request; a request that fails is made again."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

from kso_utils.core.progress import bar, track
from kso_utils.core.retries import again
from kso_utils.zooniverse.session import BATCH, ApiError, batches_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kso_utils.zooniverse.session import Session


def list_subjects(session: Session, label: str, **filters: Any) -> list[dict[str, Any]]:
    """Return subjects (`id, metadata, locations, links`), each once.

    Parameters
    ----------
    session
        The login.
    label
        What the progress bar says.
    **filters
        `project_id` or `subject_set_id`.
    """
    found: dict[str, dict[str, Any]] = {}
    with bar(label) as progress:
        for page in itertools.count(1):
            subjects, meta = _list_page(session, {**filters, "sort": "id", "page_size": BATCH, "page": page})
            progress.total = int(meta["count"])
            progress.advance(len(subjects))
            found |= {subject["id"]: subject for subject in subjects}
            if page >= int(meta["page_count"]):
                break
    return list(found.values())


def list_newest(session: Session, **filters: Any) -> Iterator[dict[str, Any]]:
    """Yield subjects as `list_subjects`, the newest first; one may come twice.

    Zooniverse API: subjects can be sorted by id. The last page of a server that does not sort them is the newest. None
    is left out where others are added or removed meanwhile.

    Parameters
    ----------
    session
        The login.
    **filters
        `project_id` or `subject_set_id`.
    """
    query = {**filters, "sort": "-id", "page_size": BATCH}
    first, meta = _list_page(session, {**query, "page": 1})
    pages, ids = int(meta["page_count"]), [int(subject["id"]) for subject in first]
    if pages > 1 and ids[0] < ids[-1]:
        for page in range(pages, 1, -1):
            yield from reversed(_list_page(session, {**query, "page": page})[0])
        yield from reversed(first)
        return
    yield from sorted(first, key=lambda subject: -int(subject["id"]))
    page = 2
    while page <= pages:
        count = int(meta["count"])
        subjects, meta = _list_page(session, {**query, "page": page})
        yield from subjects
        # Those that were removed pull others forward, onto pages that were read.
        gone = max(0, count - int(meta["count"]))
        page, pages = max(1, page - -(-gone // BATCH)) if gone else page + 1, int(meta["page_count"])


def find_subjects(session: Session, subject_ids: Iterable[int]) -> list[dict[str, Any]]:
    """Return the subjects of these ids, as `list_subjects` does; those that there are not are left out."""
    batches = batches_of(subject_ids)
    return [s for batch in track(batches, "Looking up subjects") for s in _find_batch(session, batch)]


def count_subjects(session: Session, **filters: Any) -> int:
    """Return how many subjects there are, in one request; filters as of `list_subjects`."""
    return int(_list_page(session, {**filters, "page_size": 1})[1]["count"])


def count_classifications(session: Session, subject_ids: Iterable[int]) -> Counter[int]:
    """Return how often each subject was classified, in all workflows together."""
    counts: Counter[int] = Counter()
    for batch in batches_of(subject_ids):
        for page in itertools.count(1):
            query = {"subject_id": ",".join(map(str, batch)), "page_size": BATCH, "page": page}
            answer = again(lambda query=query: session.fetch("/subject_workflow_statuses", query))  # type: ignore[misc]
            for status in answer["subject_workflow_statuses"]:
                counts[int(status["links"]["subject"])] += int(status["classifications_count"] or 0)
            if page >= int(answer["meta"]["subject_workflow_statuses"]["page_count"]):
                break
    return counts


def find_set(session: Session, project_id: int | str, subject_set: int | str) -> dict[str, Any] | None:
    """Return a subject set (`id, display_name, links`) of a project by its id or its name; None if there is none."""
    number = subject_set
    if isinstance(subject_set, str):
        named = again(lambda: session.find_subject_set(project_id, subject_set))
        if named is None:
            return None
        number = named
    found = find_one(session, "subject_sets", number)
    return found if found is not None and str(found["links"]["project"]) == str(project_id) else None


def find_one(session: Session, kind: str, resource_id: int | str) -> dict[str, Any] | None:
    """Return a workflow or subject set by its id; None if there is none."""
    try:
        return dict(again(lambda: session.fetch(f"/{kind}/{resource_id}"))[kind][0])
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def _list_page(session: Session, query: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    answer = again(lambda: session.fetch("/subjects", query))
    return answer["subjects"], answer["meta"]["subjects"]


def _find_batch(session: Session, batch: list[int]) -> list[dict[str, Any]]:
    return _list_page(session, {"id": ",".join(map(str, batch)), "page_size": BATCH})[0]
