"""One function for each step of the road: read the store, compute, write the result and its run in one transaction."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.project.steps.audits import audit as audit
    from kso_utils.project.steps.audits import link_sets as link_sets
    from kso_utils.project.steps.audits import repair as repair
    from kso_utils.project.steps.audits import retire as retire
    from kso_utils.project.steps.consensus import aggregate as aggregate
    from kso_utils.project.steps.consensus import compare_runs as compare_runs
    from kso_utils.project.steps.consensus import read_votes as read_votes
    from kso_utils.project.steps.consensus import repeat_run as repeat_run
    from kso_utils.project.steps.conversion import join_recordings as join_recordings
    from kso_utils.project.steps.conversion import preview_movies as preview_movies
    from kso_utils.project.steps.conversion import standardise_movies as standardise_movies
    from kso_utils.project.steps.counting import count as count
    from kso_utils.project.steps.exporting import export as export
    from kso_utils.project.steps.followup import ask_experts as ask_experts
    from kso_utils.project.steps.followup import assess as assess
    from kso_utils.project.steps.followup import compare_with_experts as compare_with_experts
    from kso_utils.project.steps.followup import find_settled as find_settled
    from kso_utils.project.steps.followup import find_unsure as find_unsure
    from kso_utils.project.steps.followup import load_labels as load_labels
    from kso_utils.project.steps.followup import simulate_retirement as simulate_retirement
    from kso_utils.project.steps.footage import cut_clips as cut_clips
    from kso_utils.project.steps.footage import extract_frames as extract_frames
    from kso_utils.project.steps.intake import add_movies as add_movies
    from kso_utils.project.steps.intake import add_photos as add_photos
    from kso_utils.project.steps.keeping import back_up as back_up
    from kso_utils.project.steps.keeping import clean_up as clean_up
    from kso_utils.project.steps.keeping import restore as restore
    from kso_utils.project.steps.models import build_dataset as build_dataset
    from kso_utils.project.steps.models import detect as detect
    from kso_utils.project.steps.models import evaluate as evaluate
    from kso_utils.project.steps.models import train as train
    from kso_utils.project.steps.origins import match_subjects as match_subjects
    from kso_utils.project.steps.people import pull as pull
    from kso_utils.project.steps.people import upload as upload
    from kso_utils.project.steps.publishing import publish as publish
    from kso_utils.project.steps.publishing import publish_camtrapdp as publish_camtrapdp
    from kso_utils.project.steps.rehearsal import join_sandbox as join_sandbox
    from kso_utils.project.steps.tables import check as check
    from kso_utils.project.steps.tables import check_footage as check_footage
    from kso_utils.project.steps.tables import edit as edit
    from kso_utils.project.steps.tables import fill_store as fill_store
    from kso_utils.project.steps.tables import match_taxa as match_taxa
    from kso_utils.project.steps.tables import read_tables as read_tables
    from kso_utils.project.steps.tables import set_aside as set_aside
    from kso_utils.project.steps.tables import undo as undo
    from kso_utils.project.steps.tables import write_taxa as write_taxa
    from kso_utils.project.steps.uploading import plan_upload as plan_upload

__getattr__, __dir__ = lazy(
    __name__,
    {
        "check": "tables",
        "check_footage": "tables",
        "fill_store": "tables",
        "match_taxa": "tables",
        "read_tables": "tables",
        "write_taxa": "tables",
        "edit": "tables",
        "undo": "tables",
        "set_aside": "tables",
        "standardise_movies": "conversion",
        "join_recordings": "conversion",
        "preview_movies": "conversion",
        "add_movies": "intake",
        "add_photos": "intake",
        "cut_clips": "footage",
        "extract_frames": "footage",
        "join_sandbox": "rehearsal",
        "plan_upload": "uploading",
        "upload": "people",
        "audit": "audits",
        "repair": "audits",
        "retire": "audits",
        "link_sets": "audits",
        "pull": "people",
        "aggregate": "consensus",
        "repeat_run": "consensus",
        "compare_runs": "consensus",
        "read_votes": "consensus",
        "load_labels": "followup",
        **dict.fromkeys(["assess", "compare_with_experts", "ask_experts", "simulate_retirement"], "followup"),
        **dict.fromkeys(["find_unsure", "find_settled"], "followup"),
        "export": "exporting",
        "match_subjects": "origins",
        "build_dataset": "models",
        "train": "models",
        "evaluate": "models",
        "detect": "models",
        "count": "counting",
        "publish": "publishing",
        "publish_camtrapdp": "publishing",
        "back_up": "keeping",
        "restore": "keeping",
        "clean_up": "keeping",
    },
)
