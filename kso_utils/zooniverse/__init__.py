"""Zooniverse: subjects go out, classifications come back, and a sandbox to practise on."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.zooniverse.answers import flatten as flatten
    from kso_utils.zooniverse.audits import Audit as Audit
    from kso_utils.zooniverse.audits import audit as audit
    from kso_utils.zooniverse.delivery.imports import import_subjects as import_subjects
    from kso_utils.zooniverse.delivery.manifests import write_manifest as write_manifest
    from kso_utils.zooniverse.exports import Exports as Exports
    from kso_utils.zooniverse.exports import read_exports as read_exports
    from kso_utils.zooniverse.pulls import Pulled as Pulled
    from kso_utils.zooniverse.pulls import pull as pull
    from kso_utils.zooniverse.repairs import repair as repair
    from kso_utils.zooniverse.session import Session as Session
    from kso_utils.zooniverse.session import connect as connect
    from kso_utils.zooniverse.subjects import choose_frames as choose_frames
    from kso_utils.zooniverse.subjects import plan_subjects as plan_subjects
    from kso_utils.zooniverse.uploads import upload as upload
    from kso_utils.zooniverse.visibility import link_sets as link_sets
    from kso_utils.zooniverse.visibility import retire as retire
    from kso_utils.zooniverse.workflows import TaskMap as TaskMap

__all__ = [
    "Audit",
    "Exports",
    "Pulled",
    "Session",
    "TaskMap",
    "audit",
    "choose_frames",
    "connect",
    "flatten",
    "link_sets",
    "import_subjects",
    "plan_subjects",
    "pull",
    "read_exports",
    "repair",
    "retire",
    "upload",
    "write_manifest",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Audit": "audits",
        "Exports": "exports",
        "Pulled": "pulls",
        "Session": "session",
        "TaskMap": "workflows",
        "audit": "audits",
        "choose_frames": "subjects",
        "connect": "session",
        "flatten": "answers",
        "link_sets": "visibility",
        "import_subjects": "delivery.imports",
        "plan_subjects": "subjects",
        "pull": "pulls",
        "read_exports": "exports",
        "repair": "repairs",
        "retire": "visibility",
        "upload": "uploads",
        "write_manifest": "delivery.manifests",
    },
    modules=("sandbox",),
)
