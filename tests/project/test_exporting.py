"""Tables for other programs: whole, safe to open, telling no more than they may."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import sha256_file
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import TemplateSettings
from tests.project.crowded import CLIPS, FORMULA, SECRET, add_answers

FILES = ["votes_clip", "agreed_clip", "subjects_clip", "answers_clip"]


@pytest.fixture
def project(crowd_project: Path) -> Iterator[Project]:
    with Project.open(crowd_project) as opened:
        steps.aggregate(opened, "clip")
        yield opened


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv")


def test_every_row_has_its_movie_and_site(project: Project, tmp_path: Path) -> None:
    written = steps.export(project, "clip", tmp_path / "out")
    assert written.files["file"].tolist() == [f"{name}.csv" for name in FILES]
    for name in FILES:
        table = read(tmp_path / "out", name)
        here = table[table["movie_id"] == 1]
        assert here["filename"].eq("a.mp4").all()
        assert here["locality"].eq("Open reef").all()
        assert here["decimalLatitude"].eq(58.5).all()
        assert (here["clip_start_time"] == 10 * here["subject_id"]).all()
    assert set(read(tmp_path / "out", "subjects_clip")["subject_id"]) == set(range(1, CLIPS + 1))
    agreed = read(tmp_path / "out", "agreed_clip")
    assert agreed.loc[agreed["label"] == "species 01", "scientificName"].eq("Unus unus").all()


def test_a_sensitive_site_is_nowhere_told(project: Project, tmp_path: Path) -> None:
    steps.export(project, "clip", tmp_path)
    for name in FILES:
        text = (tmp_path / f"{name}.csv").read_text(encoding="utf-8")
        assert SECRET not in text
        assert "secret" not in text.casefold()
        assert "58.7" not in text
        hidden = read(tmp_path, name).query("movie_id == 2")
        assert hidden["locality"].isna().all()
        assert hidden["countryCode"].eq("SE").all()


def test_a_sensitive_site_that_is_misspelled_stops_the_export(project: Project, tmp_path: Path) -> None:
    project.change_settings(metadata=TemplateSettings(sensitive_sites=["Secret bnak"]))
    with pytest.raises(ConfigError, match="Secret bnak"):
        steps.export(project, "clip", tmp_path)


def test_people_are_numbered_alike_in_all_their_rows(project: Project, tmp_path: Path) -> None:
    steps.export(project, "clip", tmp_path / "plain")
    steps.export(project, "clip", tmp_path / "named", names=True)
    plain, named = (read(tmp_path / folder, "votes_clip") for folder in ("plain", "named"))
    pairs = pd.DataFrame({"number": plain["person"], "name": named["person"]}).drop_duplicates()
    assert len(pairs) == pairs["number"].nunique() == pairs["name"].nunique() == 10
    assert plain["person"].iloc[0] == "person 01"
    assert "person 0000" not in (tmp_path / "plain" / "votes_clip.csv").read_text(encoding="utf-8")


def test_no_cell_runs_as_a_formula(project: Project, tmp_path: Path) -> None:
    row = {"classification_id": 9999, "subject_id": 1, "user": "x", "label": "@SUM(1)\r\nmore", "raw": "-cmd|x"}
    add_answers(project.store, pd.DataFrame([row]), 7)
    steps.aggregate(project, "clip")
    steps.export(project, "clip", tmp_path, names=True)
    for name in FILES:
        with (tmp_path / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
            cells = [cell for line in csv.reader(lines) for cell in line]
        assert not [c for c in cells if c.startswith(("=", "+", "@", "-")) and not _is_number(c)]
    assert f"'{FORMULA}" in (tmp_path / "votes_clip.csv").read_text(encoding="utf-8")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_it_is_told_which_votes_count(project: Project, tmp_path: Path) -> None:
    late = {"classification_id": 9999, "subject_id": 1, "user": "x", "label": "species 01"}
    add_answers(project.store, pd.DataFrame([late]), 7)
    project.store.upsert("classifications", pd.DataFrame({"id": [9999], "live": [False]}), "id")
    steps.aggregate(project, "clip")
    steps.export(project, "clip", tmp_path)
    votes = read(tmp_path, "votes_clip")
    assert votes.loc[~votes["counted"], "classification_id"].tolist() == [9999]


def test_parquet_holds_the_same(project: Project, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    steps.export(project, "clip", tmp_path)
    steps.export(project, "clip", tmp_path, "parquet")
    for name in FILES:
        table = pd.read_parquet(tmp_path / f"{name}.parquet")
        assert len(table) == len(read(tmp_path, name))
        assert table.columns.tolist() == read(tmp_path, name).columns.tolist()


def test_what_was_answered_about_animals_is_counted(project: Project, tmp_path: Path) -> None:
    rows = project.store.read("annotations", ["id", "label"], where={"subject_id": 1, "label": "species 01"})
    choice = json.dumps({"choice": "SPECIES01", "answers": {"BEHAVIOUR": ["EATING", "=RESTING"]}})
    project.store.upsert("annotations", rows[["id"]].assign(raw=choice), "id")
    steps.export(project, "clip", tmp_path)
    found = read(tmp_path, "answers_clip")
    assert sorted(found["answer"]) == ["'=RESTING", "EATING"]
    assert found["votes"].eq(len(rows)).all()
    assert found["filename"].isna().all()


def test_marks_of_frames_are_exported_with_their_shape(project: Project, tmp_path: Path) -> None:
    steps.aggregate(project, "frame")
    steps.export(project, "frame", tmp_path)
    agreed = read(tmp_path, "agreed_frame")
    assert agreed["shape"].tolist() == ["rectangle", "rectangle", "point"]
    assert agreed["frame_number"].tolist() == [0, 25, 50]


def test_where_the_tables_come_from_stands_beside_them(project: Project, tmp_path: Path) -> None:
    written = steps.export(project, "clip", tmp_path)
    about = json.loads(written.provenance.read_text(encoding="utf-8"))
    assert about["params"]["rule"]["agreement"] == 0.8
    assert about["inputs"]["votes_sha256"]
    assert [file["sha256"] for file in about["files"]] == [sha256_file(tmp_path / f"{name}.csv") for name in FILES]


def test_an_export_that_is_made_again_is_the_same(project: Project, tmp_path: Path) -> None:
    first = steps.export(project, "clip", tmp_path / "a")
    again = steps.export(project, "clip", tmp_path / "b")
    assert first.files.equals(again.files)
    assert first.provenance.read_bytes() == again.provenance.read_bytes()


def test_classifications_that_the_latest_run_does_not_know_stop_the_export(project: Project, tmp_path: Path) -> None:
    late = {"classification_id": 9999, "subject_id": 1, "user": "x", "label": "species 01"}
    add_answers(project.store, pd.DataFrame([late]), 7)
    with pytest.raises(ConfigError, match="kso aggregate clip"):
        steps.export(project, "clip", tmp_path)
    assert not steps.export(project, "clip", tmp_path, run_id=1).same_votes


@pytest.mark.parametrize(("kind", "run"), [("frame", None), ("clip", 9), ("frame", 1)])
def test_no_such_consensus_is_said(project: Project, tmp_path: Path, kind: str, run: int | None) -> None:
    with pytest.raises(ConfigError, match=f"kso aggregate {kind}"):
        steps.export(project, kind, tmp_path, run_id=run)
