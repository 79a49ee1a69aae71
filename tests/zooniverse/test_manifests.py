import csv
import json

import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.zooniverse.delivery.manifests import read_places, write_manifest
from kso_utils.zooniverse.subjects import KEY, key_subject, plan_subjects


def read(path):
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_a_manifest_holds_what_an_import_and_a_person_need(clips, tmp_path):
    planned = clips(3)
    write_manifest(planned, "Clips", 1, tmp_path / "lists" / "manifest.csv")
    rows = read(tmp_path / "lists" / "manifest.csv")
    assert [row["external_id"] for row in rows] == [key_subject(p, "Clips", 1) for p in planned.to_dict("records")]
    assert [row["location:1"] for row in rows] == [f"../clip_{n}.mp4" for n in range(3)]
    assert [row["sha256"] for row in rows] == planned.sha256.tolist()
    assert {row["mime"] for row in rows} == {"video/mp4"}
    assert [int(row["bytes"]) for row in rows] == [(tmp_path / f"clip_{n}.mp4").stat().st_size for n in range(3)]
    told = {name.partition(":")[2]: value for name, value in rows[2].items() if name.startswith("metadata:")}
    assert told.pop(KEY) == rows[2]["external_id"]
    assert told.pop("Site") == "Reef"
    assert {name: json.loads(value) for name, value in told.items() if name != "#subject_type"} == {
        name: value for name, value in planned.metadata[2].items() if name not in ("Site", "#subject_type")
    }


def test_missing_values_are_empty_and_repeats_are_written_once(tmp_path):
    rows = [
        {"url": f"https://example.org/{n}.jpg", "note": note}
        for n, note in ((1, '=1, å\n"'), (2, None), (1, '=1, å\n"'))
    ]
    planned = plan_subjects(pd.DataFrame(rows), {"note": "note"}, "frame")
    write_manifest(planned, "Frames", 1, tmp_path / "m.csv")
    assert [row["metadata:note"] for row in read(tmp_path / "m.csv")] == ['=1, å\n"', ""]
    assert list(read_places(tmp_path / "m.csv").values()) == [row["url"] for row in rows[:2]]


def test_a_name_that_an_import_would_cut_is_refused(clips, tmp_path):
    planned = clips(1).assign(metadata=[{"time: UTC": 1}])
    with pytest.raises(ConfigError, match="colon"):
        write_manifest(planned, "Clips", 1, tmp_path / "m.csv")
    assert not (tmp_path / "m.csv").exists()


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"external_id,location:1\n\xff,1\n"])
def test_another_file_is_no_manifest(tmp_path, content):
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(ConfigError, match="no manifest"):
        read_places(tmp_path / "m.csv")
