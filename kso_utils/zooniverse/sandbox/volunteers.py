"""Simulated volunteers: people who look at each subject once and say what the caller lets them say."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ZooniverseError
from kso_utils.core.progress import track
from kso_utils.zooniverse.sandbox.classifications import add_classifications
from kso_utils.zooniverse.sandbox.shapes import shape

if TYPE_CHECKING:
    from kso_utils.zooniverse.sandbox.server import Sandbox

Behaviour = Callable[[dict[str, Any], int], list[dict[str, Any]]]


def simulate(
    sandbox: Sandbox,
    workflow_id: int,
    answer: Behaviour,
    people: int = 5,
    seed: int = 0,
    size_px: tuple[int, int] | None = None,
) -> int:
    """Let simulated people classify the subjects of a workflow.

    Each person classifies each subject once; who has classified a subject already does not do it again, so a second
    run adds nothing.

    Parameters
    ----------
    sandbox
        A running sandbox.
    workflow_id
        The workflow whose subjects they see.
    answer
        Given a subject (`id, metadata, locations, links`) and a person's number (0 to `people` - 1), returns
        their annotations, `[{"task": "T0", "value": [...]}]`.
    people
        How many there are: `volunteer_01`, `volunteer_02`, …
    seed
        Of the order of the people and of the time they take.
    size_px
        Width and height of the pictures, which their screens report.

    Returns
    -------
    int
        The number of new classifications.

    Raises
    ------
    ZooniverseError
        If there is no such workflow.
    """
    state = sandbox.state
    if state.get("workflows", workflow_id) is None:
        raise ZooniverseError(f"The sandbox has no workflow {workflow_id}. Its page at {sandbox.url} lists them.")
    users = [state.user_id(f"volunteer_{number + 1:02d}") for number in range(people)]
    chance = random.Random(seed)  # noqa: S311  (not for secrets)
    subject_ids = state.find("subjects", workflow_id=workflow_id)
    latest = state.rows("SELECT MAX(created_at) FROM classifications WHERE workflow_id = ?", (workflow_id,))[0][0]
    clock = _Clock(chance, len(subject_ids) * people, latest)
    added = 0
    for subject_id in track(subject_ids, "Volunteers"):
        subject = state.get("subjects", subject_id)
        seen = {r["user_id"] for r in state.rows(_WHO, (workflow_id, subject_id))}
        order = chance.sample(range(people), people)
        waiting = [person for person in order if users[person] not in seen]
        if subject is None or not waiting:
            continue
        shown = shape(state, subject, sandbox.url)
        rows = [
            {
                "workflow_id": workflow_id,
                "subject_id": subject_id,
                "user_id": users[person],
                "annotations": answer(shown, person),
                **clock.times(len(shown["locations"]), users[person], size_px),
            }
            for person in waiting
        ]
        added += len(add_classifications(state, rows))
    return added


_LONGEST_MS = 40_000
_WHO = "SELECT user_id FROM classifications WHERE workflow_id = ? AND subject_id = ?"


class _Clock:
    """When people worked: each classification ends later than the one before."""

    def __init__(self, chance: random.Random, expected: int, latest: str | None) -> None:
        self._chance = chance
        self._now = datetime.now(UTC) - timedelta(milliseconds=expected * _LONGEST_MS)
        if latest is not None:
            self._now = max(self._now, datetime.fromisoformat(latest))

    def times(self, frames: int, user_id: int, size_px: tuple[int, int] | None) -> dict[str, Any]:
        """Return `created_at` and `metadata` of the next classification."""
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
            "session": f"{user_id:040x}",
            "viewport": {"width": 1440, "height": 900},
            "started_at": _text(started),
            "finished_at": _text(self._now),
            "user_agent": "simulated volunteer",
            "utc_offset": "0",
            "live_project": True,
            "user_language": "en",
            "user_group_ids": [],
            "subject_dimensions": [size] * frames,
            "subject_selection_state": {"retired": False, "already_seen": False, "selection_state": "normal"},
        }
        return {"created_at": _text(self._now), "metadata": metadata}


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
