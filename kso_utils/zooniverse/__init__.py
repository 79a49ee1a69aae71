"""Zooniverse: subjects go out, classifications come back, and a sandbox to practise on."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.zooniverse.answers import flatten as flatten
    from kso_utils.zooniverse.exports import Exports as Exports
    from kso_utils.zooniverse.exports import read_exports as read_exports
    from kso_utils.zooniverse.session import Session as Session
    from kso_utils.zooniverse.session import connect as connect
    from kso_utils.zooniverse.subjects import choose_frames as choose_frames
    from kso_utils.zooniverse.subjects import plan_subjects as plan_subjects
    from kso_utils.zooniverse.uploads import upload as upload
    from kso_utils.zooniverse.workflows import TaskMap as TaskMap

__all__ = [
    "Exports",
    "Session",
    "TaskMap",
    "choose_frames",
    "connect",
    "flatten",
    "plan_subjects",
    "read_exports",
    "upload",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Exports": "exports",
        "Session": "session",
        "TaskMap": "workflows",
        "choose_frames": "subjects",
        "connect": "session",
        "flatten": "answers",
        "plan_subjects": "subjects",
        "read_exports": "exports",
        "upload": "uploads",
    },
    modules=("sandbox",),
)
