"""Zooniverse: subjects go out, classifications come back, and a sandbox to practise on."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.zooniverse.answers import flatten as flatten
    from kso_utils.zooniverse.exports import Exports as Exports
    from kso_utils.zooniverse.exports import read_exports as read_exports
    from kso_utils.zooniverse.imports import import_subjects as import_subjects
    from kso_utils.zooniverse.manifests import write_manifest as write_manifest
    from kso_utils.zooniverse.pulls import Pulled as Pulled
    from kso_utils.zooniverse.pulls import pull as pull
    from kso_utils.zooniverse.session import Session as Session
    from kso_utils.zooniverse.session import connect as connect
    from kso_utils.zooniverse.subjects import choose_frames as choose_frames
    from kso_utils.zooniverse.subjects import plan_subjects as plan_subjects
    from kso_utils.zooniverse.uploads import upload as upload
    from kso_utils.zooniverse.workflows import TaskMap as TaskMap

__all__ = [
    "Exports",
    "Pulled",
    "Session",
    "TaskMap",
    "choose_frames",
    "connect",
    "flatten",
    "import_subjects",
    "plan_subjects",
    "pull",
    "read_exports",
    "upload",
    "write_manifest",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Exports": "exports",
        "Pulled": "pulls",
        "Session": "session",
        "TaskMap": "workflows",
        "choose_frames": "subjects",
        "connect": "session",
        "flatten": "answers",
        "import_subjects": "imports",
        "plan_subjects": "subjects",
        "pull": "pulls",
        "read_exports": "exports",
        "upload": "uploads",
        "write_manifest": "manifests",
    },
    modules=("sandbox",),
)
