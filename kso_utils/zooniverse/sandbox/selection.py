"""Which subjects a person sees next in a workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kso_utils.zooniverse.sandbox.state import State

# Who is not logged in is known by the session of the browser's tab. What waits for the person comes first, oldest
# first; then what this person saw longest ago.
_NEXT = """
WITH told AS (
    SELECT s.subject_id, t.retired_at IS NOT NULL AS retired,
        (SELECT MAX(c.id) FROM classifications c WHERE c.workflow_id = :workflow AND c.subject_id = s.subject_id AND
            CASE WHEN :user IS NOT NULL THEN c.user_id = :user
            ELSE c.user_id IS NULL AND json_extract(c.metadata, '$.session') = :session END) AS last
    FROM (SELECT DISTINCT m.subject_id FROM workflow_sets w JOIN members m ON m.set_id = w.set_id
        WHERE w.workflow_id = :workflow) s
    LEFT JOIN statuses t ON t.workflow_id = :workflow AND t.subject_id = s.subject_id)
SELECT subject_id, retired, last IS NOT NULL AS seen, COUNT(*) OVER () AS subjects,
    SUM(NOT retired) OVER () AS open, COUNT(last) OVER () AS done,
    SUM(NOT retired AND last IS NULL) OVER () AS waiting
FROM told ORDER BY NOT retired AND last IS NULL DESC, last, subject_id LIMIT :size
"""


class Queued(NamedTuple):
    """A subject in a person's queue: whether it is retired, and whether the person has classified it already."""

    id: int
    retired: bool
    seen: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """What a person sees next.

    Attributes
    ----------
    next
        In order; all of them wait for this person, or none of them.
    subjects
        How many subjects the workflow has.
    open
        How many of them are not retired.
    seen
        How many of them this person has classified.
    waiting
        How many are neither retired nor classified by this person.
    """

    next: list[Queued]
    subjects: int = 0
    open: int = 0
    seen: int = 0
    waiting: int = 0


def select(state: State, workflow_id: int, user_id: int | None, session: str | None, size: int) -> Queue:
    """Return the next subjects of a workflow for a person, oldest first.

    When nothing waits any more, these are subjects that the person has seen or that are retired, as Panoptes goes on.

    Parameters
    ----------
    user_id
        None for a person who is not logged in.
    session
        What tells apart people who are not logged in; with None all is new to them.
    size
        How many subjects at most.
    """
    values = {"workflow": workflow_id, "user": user_id, "session": session, "size": size}
    rows = state.rows(_NEXT, values)
    if not rows:
        return Queue([])
    counts = rows[0]
    queued = [Queued(r["subject_id"], bool(r["retired"]), bool(r["seen"])) for r in rows]
    waiting = [q for q in queued if not q.retired and not q.seen]
    return Queue(waiting or queued, counts["subjects"], counts["open"], counts["done"], counts["waiting"])
