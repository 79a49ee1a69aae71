from __future__ import annotations

import copy

import pytest

from kso_utils.core import errors
from kso_utils.core.report import Report

TREE = {
    "KsoError": ["ConfigError", "MetadataError", "MediaError", "StoreError", "ArchiveError", "ZooniverseError"],
    "MediaError": ["MediaCorrupt", "MediaUnsupported", "MediaTimeout"],
    "StoreError": ["SchemaTooNew", "StoreBusy", "IntegrityFailed"],
    "ArchiveError": ["NotFound", "Denied", "ChecksumMismatch", "Interrupted"],
    "ZooniverseError": ["QuotaExceeded", "ExportTimeout"],
}
PAIRS = [(parent, child) for parent, children in TREE.items() for child in children]


@pytest.mark.parametrize(
    ("parent", "child"),
    [*PAIRS, ("KsoError", "RequestFailed"), ("KsoError", "UnsafeInput"), ("KsoError", "MissingExtra")],
)
def test_the_tree(parent, child):
    assert issubclass(getattr(errors, child), getattr(errors, parent))


def test_an_error_of_ours_is_also_pythons_own_where_one_fits():
    assert issubclass(errors.NotFound, FileNotFoundError)
    assert issubclass(errors.Denied, PermissionError)
    assert issubclass(errors.StoreBusy, TimeoutError)
    assert issubclass(errors.UnsafeInput, ValueError)
    assert issubclass(errors.MissingExtra, ImportError)


def test_a_metadata_error_carries_its_report():
    report = Report("sites")
    assert errors.MetadataError("wrong", report).report is report
    assert errors.MetadataError("wrong").report is None


def test_a_missing_extra_says_how_to_install_it():
    error = errors.MissingExtra("boto3", "s3")
    assert "pip install 'kso_utils[s3]'" in str(error)
    assert (error.package, error.extra) == ("boto3", "s3")


def test_a_missing_extra_survives_the_way_between_processes():
    error = copy.copy(errors.MissingExtra("boto3", "s3"))
    assert (str(error), error.extra) == (str(errors.MissingExtra("boto3", "s3")), "s3")
