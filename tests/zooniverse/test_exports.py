import csv
import io
import json

import pytest

from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.zooniverse.exports import read_exports

HEADER = [
    *("classification_id", "user_name", "user_id", "user_ip", "workflow_id", "workflow_name", "workflow_version"),
    *("created_at", "gold_standard", "expert", "metadata", "annotations", "subject_data", "subject_ids"),
]
ROW = {
    "classification_id": "1",
    "user_name": "Åsa",
    "user_id": "12",
    "user_ip": "abc",
    "workflow_id": "7",
    "workflow_name": "Fish",
    "workflow_version": "5.10",
    "created_at": "2026-01-02 03:04:05 UTC",
    "gold_standard": "",
    "expert": "",
    "metadata": json.dumps({"user_agent": "Mozilla", "live_project": True}),
    "annotations": "[]",
    "subject_data": "{}",
    "subject_ids": "100",
}


def text_of(*rows, header=HEADER):
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, header, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({**ROW, **row} for row in rows)
    return buffer.getvalue()


def read(folder, *rows, name="any name.csv", encoding="utf-8"):
    (folder / name).write_bytes(text_of(*rows).encode(encoding))
    return read_exports(folder)


def test_values_become_typed_columns(tmp_path):
    row = read(tmp_path, {}).classifications.iloc[0]
    assert row[["classification_id", "subject_id", "workflow_id"]].tolist() == [1, 100, 7]
    assert row[["version_major", "version_minor"]].tolist() == [5, 10]
    assert row[["user", "user_kind", "created_at"]].tolist() == ["Åsa", "registered", "2026-01-02T03:04:05Z"]
    assert row[["seen_before", "live", "gold_standard", "expert"]].tolist() == [False, True, False, False]
    assert len(row.source_sha256) == 64


def test_addresses_and_agents_are_not_kept(tmp_path):
    table = read(tmp_path, {}).classifications
    assert not {"user_ip", "metadata"} & set(table.columns)
    assert "Mozilla" not in table.to_csv()


def test_anonymous_people(tmp_path):
    exports = read(tmp_path, {"user_name": "not-logged-in-1f", "user_id": ""})
    assert exports.classifications[["user", "user_kind"]].iloc[0].tolist() == ["not-logged-in-1f", "anonymous"]


@pytest.mark.parametrize(
    ("metadata", "seen", "live"),
    [
        ({"seen_before": True}, True, True),
        ({"subject_selection_state": {"already_seen": True}}, True, True),
        ({"live_project": False}, False, False),
        ({"session": '"live_project": false'}, False, True),
    ],
)
def test_circumstances(tmp_path, metadata, seen, live):
    row = read(tmp_path, {"metadata": json.dumps(metadata)}).classifications.iloc[0]
    assert (row.seen_before, row.live) == (seen, live)


def test_experts_and_gold_standards(tmp_path):
    row = read(tmp_path, {"gold_standard": "true", "expert": "owner"}).classifications.iloc[0]
    assert (row.gold_standard, row.expert) == (True, True)


def test_a_classification_of_several_subjects_survives(tmp_path):
    exports = read(tmp_path, {"subject_ids": "100;101"}, {"classification_id": "2"})
    assert exports.classifications.subject_id.tolist() == [100, 100]
    assert exports.classifications.subject_ids.tolist() == ["100;101", "100"]
    assert exports.report.codes()["SEVERAL_SUBJECTS"] == 1


def test_line_breaks_inside_quotes_stay(tmp_path):
    annotations = json.dumps([{"task": "T0", "value": "a\u0085b"}], ensure_ascii=False)
    exports = read(tmp_path, {"annotations": annotations, "user_name": "two\nlines"})
    assert exports.classifications.annotations.tolist() == [annotations]
    assert exports.classifications.user.tolist() == ["two\nlines"]


def test_a_file_that_is_not_utf8_is_read_with_a_warning(tmp_path):
    exports = read(tmp_path, {}, encoding="cp1252")
    assert exports.classifications.user.tolist() == ["Åsa"]
    assert [f.severity for f in exports.report if f.code == "NOT_UTF8"] == ["warning"]


def test_utf8_gives_no_warning(tmp_path):
    assert "NOT_UTF8" not in read(tmp_path, {}, encoding="utf-8-sig").report.codes()


def test_rows_without_a_number_are_reported_by_line(tmp_path):
    exports = read(tmp_path, {}, {"classification_id": "2", "subject_ids": ""}, {"classification_id": "x"})
    assert exports.classifications.classification_id.tolist() == [1]
    findings = [(f.row, f.column) for f in exports.report if f.code == "NO_NUMBER"]
    assert findings == [(3, "subject_id"), (4, "classification_id")]


@pytest.mark.parametrize(
    ("column", "value"), [("workflow_id", "7.5"), ("subject_ids", "inf"), ("subject_ids", "9" * 40)]
)
def test_numbers_that_cannot_be_ids_are_reported(tmp_path, column, value):
    exports = read(tmp_path, {}, {"classification_id": "2", column: value})
    assert exports.classifications.classification_id.tolist() == [1]
    assert exports.report.codes()["NO_NUMBER"] == 1


@pytest.mark.parametrize("content", [b"\x81\x8d\xff,\x00\n", b"x" * 200_000])
def test_a_file_that_is_no_table_is_left_out(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    exports = read(tmp_path, {})
    assert len(exports.classifications) == 1
    assert [f.table for f in exports.report if f.code == "NOT_AN_EXPORT"] == ["a.csv"]


def test_kept_rows_are_counted(tmp_path):
    exports = read(tmp_path, {}, {"classification_id": "x"})
    assert [f.value for f in exports.report if f.code == "ROWS_KEPT"] == ["1"]


def test_a_classification_in_two_files_counts_once(tmp_path):
    read(tmp_path, {"user_name": "older"}, name="a.csv")
    exports = read(tmp_path, {"user_name": "newer"}, name="b.csv")
    assert exports.classifications.user.tolist() == ["newer"]


def test_files_are_known_by_their_columns(tmp_path):
    (tmp_path / "1.csv").write_text("subject_id,metadata,locations\n5,{},{}\n")
    (tmp_path / "2.csv").write_text("workflow_id,version,minor_version,tasks,strings\n7,1,1,{},{}\n")
    (tmp_path / "3.csv").write_text("site,depth\nA,3\n")
    exports = read_exports(tmp_path)
    assert (len(exports.subjects), len(exports.workflows), len(exports.classifications)) == (1, 1, 0)
    assert [f.table for f in exports.report if f.code == "NOT_AN_EXPORT"] == ["3.csv"]


def test_an_extra_first_column_does_not_matter(tmp_path):
    (tmp_path / "a.csv").write_text(text_of({"": "0"}, header=["", *HEADER]), encoding="utf-8")
    assert len(read_exports(tmp_path).classifications) == 1


def test_a_file_cut_off_inside_quotes_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text(text_of({}) + '2,"cut')
    with pytest.raises(MetadataError, match=r"a\.csv is damaged or cut off"):
        read_exports(tmp_path)


@pytest.mark.parametrize("content", [None, "", "a,b\n1,2\n"])
def test_a_folder_without_exports(tmp_path, content):
    if content is not None:
        (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ConfigError, match="No export"):
        read_exports(tmp_path)


def test_a_missing_folder(tmp_path):
    with pytest.raises(ConfigError, match="no folder"):
        read_exports(tmp_path / "none")


def test_the_real_exports(zooniverse_data):
    exports = read_exports(zooniverse_data)
    assert (len(exports.classifications), len(exports.subjects), len(exports.workflows)) == (2243, 30, 6)
    assert exports.report.ok
