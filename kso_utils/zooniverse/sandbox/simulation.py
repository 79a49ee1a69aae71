"""Simulated people at work: they come to the sandbox, look at subjects, and are recorded as people are.

Who they are is in `people`, how well they see in `perception`.
"""

from __future__ import annotations

import hashlib
import random
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ZooniverseError
from kso_utils.core.log import logger
from kso_utils.core.progress import track
from kso_utils.zooniverse.sandbox.classifications import add_classifications
from kso_utils.zooniverse.sandbox.people import Person, behave, gather, modernise
from kso_utils.zooniverse.sandbox.selection import select
from kso_utils.zooniverse.sandbox.shapes import shape
from kso_utils.zooniverse.sandbox.tasks import inject_strings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kso_utils.zooniverse.sandbox.people import Behaviour, Truth
    from kso_utils.zooniverse.sandbox.server import Sandbox

_log = logger(__name__)

_BATCH = 20
_PAUSE_S = 1.0


def simulate(
    sandbox: Sandbox,
    workflow_id: int,
    answer: Behaviour | None = None,
    people: int | Sequence[Person] = 5,
    seed: int = 0,
    size_px: tuple[int, int] | None = None,
    truth: Truth | None = None,
) -> int:
    """Let simulated people classify the subjects of a workflow.

    Each person classifies each subject once, and once more where they repeat themselves; who has classified a subject
    already does not do it again, so a second run adds nothing.

    Parameters
    ----------
    sandbox
        A running sandbox.
    workflow_id
        The workflow whose subjects they see.
    answer
        Given a subject (`id, metadata, locations, links`) and a person's number (from 0), returns their annotations in
        the shapes of the classifier's first generation, `[{"task": "T0", "value": [...]}]`; by default `behave`.
    people
        Who they are, or how many: `volunteer_01`, `volunteer_02`, …
    seed
        Of the order of the people, of the time they take, and of what they say by default.
    size_px
        Width and height of the pictures, which their screens report.
    truth
        What is to be seen, for `behave`; without it, and without `answer`, they answer by chance.

    Returns
    -------
    int
        The number of new classifications.

    Raises
    ------
    ZooniverseError
        If there is no such workflow.
    ConfigError
        If the truth does not fit the tasks.
    """
    state = sandbox.state
    crowd = _Crowd(sandbox, workflow_id, people, seed, size_px, answer, truth)
    subject_ids = state.find("subjects", workflow_id=workflow_id)
    crowd.start_clock(len(subject_ids))
    added = 0
    for subject_id in track(subject_ids, "Volunteers"):
        seen = {_identity(row["user_id"], row["session"]) for row in state.rows(_WHO, (workflow_id, subject_id))}
        added += crowd.classify(subject_id, [n for n, who in enumerate(crowd.identities) if who not in seen])
    return added


def attend(sandbox: Sandbox, people: int, seed: int = 0) -> int:
    """Let simulated people classify by chance what waits for them now, and return how many classifications that made.

    As on the Zooniverse they see active workflows and subjects that are not retired, and each of these once. There are
    people of both generations of the classifier, and some who are not logged in.

    Parameters
    ----------
    sandbox
        A running sandbox.
    people
        How many there are.
    seed
        Of everything random.
    """
    state, added = sandbox.state, 0
    for workflow_id in state.find("workflows"):
        workflow = state.get("workflows", workflow_id)
        if workflow is None or not workflow.body["active"]:
            continue
        crowd = _Crowd(sandbox, workflow_id, gather(people), seed)
        crowd.start_clock(_BATCH)
        for number, (user_id, session) in enumerate(crowd.identities):
            queue = select(state, workflow_id, user_id, session, _BATCH)
            if queue.waiting:
                added += sum(crowd.classify(queued.id, [number]) for queued in queue.next)
    return added


def rehearse(sandbox: Sandbox, people: int) -> None:
    """Let simulated people `attend` whenever something has changed, until they are interrupted.

    If they fail at a workflow that is broken, that is logged and they stay away; the sandbox runs on.
    """
    known = None
    while True:
        changes = sandbox.state.rows("SELECT total_changes()")[0][0]
        try:
            if changes != known and not attend(sandbox, people):
                known = changes
        except Exception:  # the boundary: what people stumble over must not stop the server
            _log.exception("the simulated volunteers cannot go on and stay away")
            return
        time.sleep(_PAUSE_S)


class _Crowd:
    """People in front of one workflow."""

    def __init__(
        self,
        sandbox: Sandbox,
        workflow_id: int,
        people: int | Sequence[Person],
        seed: int,
        size_px: tuple[int, int] | None = None,
        answer: Behaviour | None = None,
        truth: Truth | None = None,
    ) -> None:
        workflow = sandbox.state.get("workflows", workflow_id)
        if workflow is None:
            raise ZooniverseError(f"The sandbox has no workflow {workflow_id}. Its page at {sandbox.url} lists them.")
        if isinstance(people, int):
            people = [Person(f"volunteer_{number + 1:02d}") for number in range(people)]
        self._sandbox, self._workflow_id, self._people, self._size_px = sandbox, workflow_id, people, size_px
        self._tasks = inject_strings(workflow.body["tasks"], workflow.body["strings"])
        self._answer = answer or behave(self._tasks, people, truth, seed, size_px)
        self._chance = random.Random(seed)  # noqa: S311  (not for secrets)
        self.identities = [
            _identity(None if p.login is None else sandbox.state.user_id(p.login), _session(p, number))
            for number, p in enumerate(people)
        ]

    def start_clock(self, subjects: int) -> None:
        """Begin so early that looking at so many subjects ends before now, but after what was done before."""
        last = "SELECT MAX(created_at) FROM classifications WHERE workflow_id = ?"
        latest = self._sandbox.state.rows(last, (self._workflow_id,))[0][0]
        self._clock = _Clock(self._chance, subjects * len(self._people), latest)

    def classify(self, subject_id: int, numbers: Sequence[int]) -> int:
        """Record what people, given by their numbers, say about a subject; return the number of classifications."""
        order = [n for n in self._chance.sample(range(len(self._people)), len(self._people)) if n in numbers]
        subject = self._sandbox.state.get("subjects", subject_id)
        if subject is None or not order:
            return 0
        shown = shape(self._sandbox.state, subject, self._sandbox.url)
        repeats = [n for n in order if (share := self._people[n].repeat) and self._chance.random() < share]
        looks = [(n, False) for n in order] + [(n, True) for n in repeats]
        return len(add_classifications(self._sandbox.state, self._rows(shown, looks)))

    def _rows(self, shown: dict[str, Any], looks: Sequence[tuple[int, bool]]) -> Iterator[dict[str, Any]]:
        for number, again in looks:
            person, (user_id, session) = self._people[number], self.identities[number]
            annotations = self._answer(shown, number)
            created_at, metadata = self._clock.times(len(shown["locations"]), self._size_px, again)
            metadata["session"] = session or _session(person, number)
            if person.generation == 2:
                annotations = modernise(annotations, self._tasks)
                metadata["classifier_version"] = "2.0"
            yield {
                "workflow_id": self._workflow_id,
                "subject_id": int(shown["id"]),
                "user_id": user_id,
                "annotations": annotations,
                "created_at": created_at,
                "metadata": metadata,
            }


def _session(person: Person, number: int) -> str:
    return hashlib.sha256(f"{person.login} {number}".encode()).hexdigest()[:40]


def _identity(user_id: int | None, session: str | None) -> tuple[int | None, str | None]:
    """Return what tells people apart: users by their number, others by their session."""
    return user_id, session if user_id is None else None


_LONGEST_MS = 40_000
_WHO = (
    "SELECT user_id, json_extract(metadata, '$.session') AS session FROM classifications "
    "WHERE workflow_id = ? AND subject_id = ?"
)


class _Clock:
    """When people worked: each classification ends later than the one before."""

    def __init__(self, chance: random.Random, expected: int, latest: str | None) -> None:
        self._chance = chance
        self._now = datetime.now(UTC) - timedelta(milliseconds=expected * _LONGEST_MS)
        if latest is not None:
            self._now = max(self._now, datetime.fromisoformat(latest))

    def times(self, frames: int, size_px: tuple[int, int] | None, again: bool) -> tuple[str, dict[str, Any]]:
        """Return `created_at` and `metadata` of the next classification, or of one `again`."""
        started = self._now
        self._now += timedelta(milliseconds=self._chance.randint(4_000, _LONGEST_MS))
        size = size_px and {
            "clientWidth": size_px[0],
            "clientHeight": size_px[1],
            "naturalWidth": size_px[0],
            "naturalHeight": size_px[1],
        }
        metadata = {
            "source": "api",
            "viewport": {"width": 1440, "height": 900},
            "started_at": _text(started),
            "finished_at": _text(self._now),
            "user_agent": "simulated volunteer",
            "utc_offset": "0",
            "live_project": True,
            "user_language": "en",
            "user_group_ids": [],
            "subject_dimensions": [size] * frames,
            "subject_selection_state": {"retired": False, "already_seen": again, "selection_state": "normal"},
        }
        return _text(self._now), {**metadata, "seen_before": True} if again else metadata


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
