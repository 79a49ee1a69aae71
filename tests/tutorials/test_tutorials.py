"""Every tutorial runs from top to bottom, and holds no logic."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from kso_utils.project.opening import Project
from kso_utils.project.settings import TaxonomySettings
from kso_utils.testing.worms import COD, FIRST_INVENTED, make_record, serve_worms

SHOWN = {
    "00_The_whole_road": ("Atlantic cod", "no findings"),
    "01_Check_and_update_metadata": (
        *(
            "no findings",
            "sites, line 2, decimalLatitude",
            "ZERO_COORDINATE",
            "kso-map",
            "Nothing here",
            "The label is no taxon.",
        ),
        "urn:lsid:marinespecies.org:taxname:126436",
        "To see how it is done",
    ),
    "02_Add_new_media": (
        *("_02.mp4", "broken.mp4", "MOVIE_TRUNCATED", "planned", "added", "failed", "Card of May", "photos/"),
        *("2024-05-01", "no findings"),
    ),
    "03_Cut_clips_and_frames": ("image/png", "clip_start_time", "done", "frame_exp_sp_id"),
    "04_Upload_to_Zooniverse": (
        *("{'planned': 4}", "9996", "Subjects to upload: no findings", "verified", "DUPLICATES_SOUGHT"),
        *("http://127.0.0.1", "retire"),
    ),
    "08_What_volunteers_agree_on": (
        *(
            "Atlantic cod",
            "kso-plot",
            "probability",
            "alpha 0.",
            "votes_needed",
            "of the looks saved",
            "people took part",
        ),
        "votes_clip.csv",
    ),
    "09_Download_classifications": ("classifications", "Atlantic cod", "workflow", "clip_start_time", "frame"),
    "10_Publish_observations": (
        *("invented-reef.zip", "LABEL_NOT_A_TAXON", "ValidatedByHuman", "PredictedByMachine", "absent"),
        *("Time of first arrival", "kso-map", "Tångudden"),
    ),
}
MADE = {
    "02_Add_new_media": ("photos.csv", "movies/photos"),
    "00_The_whole_road": ("report.html",),
    "03_Cut_clips_and_frames": ("../new_reef/clips/clips.csv", "frames/frames.csv"),
    "08_What_volunteers_agree_on": ("tables/agreed_clip.csv",),
    "09_Download_classifications": ("exports",),
    "10_Publish_observations": ("published/invented-reef.zip", "published/periods.zip"),
}
TUTORIALS = sorted((Path(__file__).resolve().parents[2] / "tutorials").glob("*.ipynb"))


@pytest.fixture
def folder(fixture_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which a tutorial finds its project, and a register of names that needs no network."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    place = fixture_project.rename(tmp_path / "whole_road")
    records = [COD, make_record(FIRST_INVENTED, "Cancer pagurus"), make_record(FIRST_INVENTED + 1, "Aurelia aurita")]
    with serve_worms(records) as register:
        with Project.open(place) as project:
            project.change_settings(taxonomy=TaxonomySettings(register.url))
        yield tmp_path


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_a_tutorial_runs_and_shows_what_it_is_about(path: Path, folder: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    shown = " ".join(str(cell.outputs) for cell in notebook.cells if cell.cell_type == "code")
    assert [text for text in SHOWN[path.stem] if text not in shown] == []
    assert [name for name in MADE.get(path.stem, ()) if not (folder / "whole_road" / name).exists()] == []


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem)
def test_a_tutorial_is_thin_and_clean(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            lines = [line for line in cell.source.splitlines() if line.strip()]
            assert len(lines) <= 5, cell.source
            assert not cell.outputs
            assert cell.execution_count is None
