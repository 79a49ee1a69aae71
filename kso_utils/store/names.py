"""The names that columns had in KSO's first databases, for code and eyes that are used to them."""

from __future__ import annotations

KSO_NAMES: dict[str, dict[str, str]] = {
    "sites": {"locality": "siteName"},
    "movies": {
        "eventDate": "created_on",
        "recordedBy": "author",
        "associatedMedia": "fpath",
        "duration_s": "duration",
        "sampling_start_s": "sampling_start",
        "sampling_end_s": "sampling_end",
        "is_bad_deployment": "IsBadDeployment",
    },
    "photos": {"photo_position": "PhotoPosition", "survey_id": "SurveyID"},
    "species": {"vernacularName": "commonName"},
    "agg_annotations_clip": {"first_seen_s": "first_seen"},
    "agg_annotations_frame": {"x": "x_position", "y": "y_position"},
    "model_annotations": {"x": "x_position", "y": "y_position"},
}
"""Table -> our column -> KSO's; columns that are not listed have one name only."""
