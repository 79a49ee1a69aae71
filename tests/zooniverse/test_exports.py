import csv
import gzip
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.zooniverse import exports as exports_module
from kso_utils.zooniverse.exports import SeenIds, read_exports
from kso_utils.zooniverse.retrieval import files

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
    exports = read(tmp_path, {"user_name": "Asa"}, {"classification_id": "2"}, encoding="cp1252")
    assert exports.classifications.user.tolist() == ["Asa", "Åsa"]
    assert [(f.severity, f.row) for f in exports.report if f.code == "NOT_UTF8"] == [("warning", 3)]


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


def test_every_row_is_counted(tmp_path):
    read(tmp_path, {}, {"classification_id": "2"}, name="b.csv")
    exports = read(tmp_path, {}, {"classification_id": "x"}, name="a.csv")
    counts = [(t.name, t.rows, t.taken, t.known, t.repeated, t.refused) for t in exports.files]
    assert counts == [("b.csv", 2, 2, 0, 0, 0), ("a.csv", 2, 0, 0, 1, 1)]
    assert "2 rows of classifications: 1 repeated, 1 refused." in str(exports.report)


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


def test_when_people_worked_is_kept(tmp_path):
    metadata = {"started_at": "2026-01-02T03:04:05.678Z", "finished_at": "2026-01-02T03:05:05.678Z"}
    exports = read(tmp_path, {"metadata": json.dumps(metadata)}, {"classification_id": "2"})
    times = exports.classifications[["started_at", "finished_at"]]
    assert times.iloc[0].tolist() == list(metadata.values())
    assert times.iloc[1].isna().all()


def packed(folder, *rows, name="a.csv.gz"):
    (folder / name).write_bytes(gzip.compress(text_of(*rows).encode()))
    return folder / name


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv"])
def test_packed_files_are_unpacked(tmp_path, name):
    packed(tmp_path, {}, {"classification_id": "2"}, name=name)
    assert read_exports(tmp_path).classifications.classification_id.tolist() == [1, 2]


def test_a_packed_file_that_is_cut_off_is_refused(tmp_path):
    path = packed(tmp_path, *({"classification_id": str(n)} for n in range(500)))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(MetadataError, match=r"a\.csv\.gz is damaged or cut off"):
        read_exports(tmp_path)


def test_a_file_cut_off_inside_quotes_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text(text_of({}) + '2,"cut')
    with pytest.raises(MetadataError, match=r"a\.csv is damaged or cut off"):
        read_exports(tmp_path)


def test_rows_of_another_length_are_listed_by_line(tmp_path):
    text = text_of({}, {"classification_id": "2"}, {"classification_id": "3", "subject_ids": "x"}).splitlines(True)
    (tmp_path / "a.csv").write_text("".join([*text[:2], "9,cut off\n", *text[2:], "8" + "," * 20 + "\n"]))
    exports = read_exports(tmp_path)
    assert exports.classifications.classification_id.tolist() == [1, 2]
    listed = [(f.row, f.code) for f in exports.report if f.severity == "warning"]
    assert sorted(listed) == [(3, "WRONG_LENGTH"), (5, "NO_NUMBER"), (6, "WRONG_LENGTH")]
    assert (exports.files[0].rows, exports.files[0].refused) == (5, 3)


def test_many_bad_rows_do_not_fill_the_report(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_LISTED", 2)
    exports = read(tmp_path, *({"classification_id": "x"} for _ in range(5)))
    assert [f.row for f in exports.report if f.code == "NO_NUMBER"] == [2, 3, None]
    assert exports.files[0].refused == 5


def test_a_row_of_many_megabytes(tmp_path):
    long = json.dumps([{"task": "T0", "value": "x" * 3_000_000}])
    exports = read(tmp_path, {}, {"classification_id": "2", "annotations": long}, {"classification_id": "3"})
    assert exports.classifications.annotations.tolist() == ["[]", long, "[]"]


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"<!DOCTYPE html><html></html>", "a web page"), (b"PK\x03\x04...", "a packed folder"), (b'{"a": 1}', "JSON")],
)
def test_what_is_no_table_is_told(tmp_path, content, what):
    (tmp_path / "a.csv").write_bytes(content)
    found = read(tmp_path, {}).report
    assert [what in f.message for f in found if f.code == "NOT_AN_EXPORT"] == [True]


def test_the_same_file_twice_counts_once(tmp_path):
    read(tmp_path, {}, name="a.csv")
    exports = read(tmp_path, {}, name="b.csv")
    assert len(exports.files) == 1
    assert exports.report.codes()["SAME_FILE"] == 1


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.sampled_from(["", "7", "ünï"])),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 5),
)
def test_cells_come_as_the_csv_module_reads_them(tmp_path_factory, rows, chunk_rows):
    folder = tmp_path_factory.mktemp("exports")
    given = [{"classification_id": str(n), "annotations": a, "user_name": u} for n, (a, u) in enumerate(rows)]
    text = text_of(*given)
    (folder / "a.csv").write_bytes(text.encode())
    expected = list(csv.DictReader(io.StringIO(text, newline="")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exports_module, "_CHUNK_ROWS", chunk_rows)
        patch.setattr(files, "_WAYS", ((True, 1_000), *files._WAYS))
        table = read_exports(folder).classifications
    assert table.annotations.tolist() == [row["annotations"] for row in expected]
    assert table.user.tolist() == [row["user_name"] or f"unnamed-{row['classification_id']}" for row in expected]


@given(st.lists(st.integers(0, 30)), st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=8))
def test_ids_that_came_before_are_known(stored, blocks):
    seen, before = SeenIds(np.array(stored, dtype=np.int64)), set()
    for block in blocks:
        ids = np.array(block, dtype=np.int64)
        assert seen.is_stored(ids).tolist() == [n in stored for n in block]
        assert sorted(ids[seen.take(ids)].tolist()) == sorted(set(block) - before)
        before |= set(block)


@pytest.mark.parametrize("content", [None, "", "a,b\n1,2\n"])
def test_a_folder_without_exports(tmp_path, content):
    if content is not None:
        (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ConfigError, match="No export"):
        read_exports(tmp_path)


def test_a_missing_folder(tmp_path):
    with pytest.raises(ConfigError, match="no folder"):
        read_exports(tmp_path / "none")


COUNTS = {
    "drawing_circle_ellipse_63.csv": (63, 63),
    "drawing_fem_polygon_freehand_153.csv": (153, 153),
    "question_supernova_7.csv": (7, 7),
    "subjects_cat_30.csv": (30, 30),
    "survey_gorongosa_20.csv": (20, 20),
    "survey_michigan_2000.csv": (2000, 2000),
    "workflows_supernova.csv": (6, 6),
}


def test_the_real_exports(zooniverse_data):
    exports = read_exports(zooniverse_data)
    assert exports.report.ok
    assert {tally.name: (tally.rows, tally.taken) for tally in exports.files} == COUNTS


def test_the_real_exports_of_a_marine_project(koster_data):
    exports = read_exports(koster_data)
    assert [(t.name, t.rows, t.taken) for t in exports.files] == [
        ("workflow2_classifications_pseudonymised.csv", 13, 13)
    ]
    assert exports.report.codes()["NOT_AN_EXPORT"] == 6
