"""New movies and photos: checked, joined, converted, copied, given their rows, once; and from a terminal."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from kso_utils.cli import main
from kso_utils.core.errors import ArchiveError, ConfigError, MetadataError, NotFound
from kso_utils.core.paths import sha256_file
from kso_utils.media.safety import find_ffmpeg
from kso_utils.metadata import edits
from kso_utils.metadata.changes import Change
from kso_utils.project import arrivals, steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import ArchiveSettings
from kso_utils.project.steps.intake import is_later_chapter
from tests.archive.rclone import find_rclone

cv2 = pytest.importorskip("cv2")
np = pytest.importorskip("numpy")

CAMERA_TIME = ("-metadata", "creation_time=2024-05-01T10:00:00Z")
FILMS: dict[str, tuple[str, ...]] = {
    "reef.mp4": ("-frames:v", "25", "-c:v", "libx264", *CAMERA_TIME),
    "long.mp4": ("-frames:v", "50", "-c:v", "libx264", *CAMERA_TIME),
    "ntsc.mp4": ("-r", "30000/1001", "-frames:v", "20", "-c:v", "libx264"),
    "old.avi": ("-frames:v", "10", "-c:v", "mjpeg"),
    "GX010042.MP4": ("-frames:v", "15", "-c:v", "libx264", *CAMERA_TIME),
    "GX020042.MP4": ("-frames:v", "10", "-c:v", "libx264", *CAMERA_TIME),
}


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A movie of each kind."""
    folder = tmp_path_factory.mktemp("films")
    for seed, (name, options) in enumerate(FILMS.items()):
        source = f"testsrc2=size=160x120:rate=25,noise=alls=20:allf=t:all_seed={seed}"
        command = [find_ffmpeg(), "-nostdin", "-v", "error", "-f", "lavfi", "-i", source, *options]
        subprocess.run([*command, "-pix_fmt", "yuv420p", str(folder / name)], check=True, timeout=60)
    return folder


@pytest.fixture
def card(films: Path, tmp_path: Path) -> Callable[..., list[Path]]:
    """Return a function that puts some of the movies on a card."""

    def put(*names: str) -> list[Path]:
        (tmp_path / "card").mkdir(exist_ok=True)
        return [Path(shutil.copy(films / name, tmp_path / "card" / name)) for name in names]

    return put


@pytest.fixture(scope="session")
def _empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projects") / "fjord"
    with Project.create(folder) as project:
        (folder / "species.csv").unlink()
        cells = {"decimalLatitude": 57.5, "decimalLongitude": 11.5, "geodeticDatum": "WGS84", "countryCode": "SE"}
        steps.edit(project, [Change("sites", "Reef", name, value, "add") for name, value in cells.items()])
        steps.edit(project, [Change("sites", "Wreck", "locationID", "W1", "add")])
        steps.fill_store(project)
    return folder


@pytest.fixture
def project(_empty: Path, tmp_path: Path) -> Iterator[Project]:
    """A project of two sites without a movie."""
    with Project.open(shutil.copytree(_empty, tmp_path / "fjord")) as opened:
        yield opened


def rows(project: Project, table: str = "movies") -> dict[str, dict[str, Any]]:
    stored = [{k: v for k, v in row.items() if v == v} for row in project.store.read(table).to_dict("records")]
    return {row["filename"]: row for row in stored}


def listed(project: Project) -> dict[str, dict[str, Any]]:
    return {row["filename"]: row for row in project.tables.load()["movies"].to_dict("records")}


def files(project: Project) -> dict[str, str]:
    place = Path(project.archive.url)
    return {path.relative_to(place).as_posix(): sha256_file(path) for path in place.rglob("*") if path.is_file()}


def test_a_movie_gets_its_file_and_its_row(project: Project, card: Any) -> None:
    (path,) = card("ntsc.mp4")
    added = steps.add_movies(project, [path], site="Reef", date="2024-05-02", values={"author": "Ann"})
    assert added.loc[0, ["filename", "state", "error"]].tolist() == ["ntsc.mp4", "added", None]
    row = rows(project)["ntsc.mp4"]
    known = {"fps_num": 30000, "fps_den": 1001, "frames": 20, "width": 160, "height": 120, "codec": "h264"}
    assert {name: row[name] for name in known} == known
    assert (row["size_bytes"], row["sha256"]) == (path.stat().st_size, sha256_file(path))
    assert (row["eventDate"], row["recordedBy"], row["site_id"]) == ("2024-05-02", "Ann", 1)
    assert files(project) == {"ntsc.mp4": row["sha256"]}
    assert listed(project)["ntsc.mp4"]["fps"] == pytest.approx(29.97003)


def test_tables_store_and_footage_agree_afterwards(project: Project, card: Any) -> None:
    steps.add_movies(
        project, card("reef.mp4", "ntsc.mp4"), site="Reef", date=date(2024, 5, 1), values={"author": "Ann"}
    )
    report = steps.check(project)
    assert set(report.codes()) == {"TABLE_MISSING", "RECOMMENDED_VALUE_MISSING", "SITE_UNUSED"}, str(report)
    assert steps.fill_store(project)["movies"].unchanged == 2


def test_chapters_are_joined_and_their_names_kept(project: Project, card: Any) -> None:
    added = steps.add_movies(project, card("GX020042.MP4", "GX010042.MP4"), site="Reef")
    assert added["filename"].tolist() == ["GX010042.mp4"]
    row = rows(project)["GX010042.mp4"]
    assert (row["frames"], row["chapters"]) == (25, ["GX010042.MP4", "GX020042.MP4"])
    assert list(files(project)) == ["GX010042.mp4"]


def test_chapters_may_be_kept_apart_or_be_any_files(project: Project, card: Any) -> None:
    apart = steps.add_movies(project, card("GX010042.MP4", "GX020042.MP4"), site="Reef", chapters="apart")
    assert apart["filename"].tolist() == ["GX010042.MP4", "GX020042.MP4"]
    together = steps.add_movies(project, card("reef.mp4", "long.mp4"), site="Reef", chapters="together")
    assert together[["filename", "frames"]].to_numpy().tolist() == [["reef.mp4", 75]]


def test_a_recording_that_lacks_a_chapter_is_refused(project: Project, card: Any) -> None:
    first, second = card("GX010042.MP4", "GX020042.MP4")
    added = steps.add_movies(project, [first, second.rename(second.with_name("GX030042.MP4"))], site="Reef")
    assert "not whole" in added["error"][0]
    assert files(project) == rows(project) == {}


def test_a_recording_that_lacks_a_chapter_is_added_where_that_is_allowed(project: Project, card: Any) -> None:
    first, second = card("GX010042.MP4", "GX020042.MP4")
    chapters = [first, second.rename(second.with_name("GX030042.MP4"))]
    planned = steps.add_movies(project, chapters, site="Reef", dry_run=True)
    assert planned["state"].tolist() == ["failed"]
    added = steps.add_movies(project, chapters, site="Reef", allow_gaps=True)
    assert added["state"].tolist() == ["added"]
    assert "There may be a gap: 1 of its chapters between GX010042.MP4 and GX030042.MP4." in added["notes"][0]


@pytest.mark.parametrize(
    ("name", "is_later"),
    [
        *[("GOPR0123.MP4", False), ("GP010123.MP4", True), ("GX010123.MP4", False), ("gx020123.mp4", True)],
        *[("GH110123.MP4", True), ("reef.mp4", False), ("GX02.MP4", False)],
    ],
)
def test_a_later_chapter_is_known_by_its_name(name: str, is_later: bool) -> None:
    assert is_later_chapter(Path(name)) is is_later


def test_a_movie_is_converted_where_it_must_be(project: Project, card: Any) -> None:
    (path,) = card("old.avi")
    before = sha256_file(path)
    added = steps.add_movies(project, [path], site="Reef")
    assert added.loc[0, ["filename", "codec", "frames"]].tolist() == ["old.mp4", "h264", 10]
    assert "codec mjpeg, not h264" in " ".join(added["notes"][0])
    assert (list(files(project)), sha256_file(path)) == (["old.mp4"], before)


def test_a_movie_is_kept_as_it_is_where_that_is_wanted(project: Project, card: Any) -> None:
    added = steps.add_movies(project, card("old.avi"), site="Reef", standard=False)
    assert added.loc[0, ["filename", "codec"]].tolist() == ["old.avi", "mjpeg"]


def test_a_second_run_changes_nothing(project: Project, card: Any) -> None:
    paths = card(*FILMS)
    steps.add_movies(project, paths, site="Reef")
    before = (
        rows(project),
        files(project),
        (project.folder / "movies.csv").read_bytes(),
        len(edits.history(project.store)),
    )
    again = steps.add_movies(project, paths, site="Reef")
    assert again["state"].eq("there").all()
    assert again["frames"].notna().all()
    after = (
        rows(project),
        files(project),
        (project.folder / "movies.csv").read_bytes(),
        len(edits.history(project.store)),
    )
    assert after == before
    assert not (project.folder / ".kso" / "incoming").exists()


def test_one_bad_file_does_not_stop_the_others(project: Project, card: Any) -> None:
    good, bad = card("reef.mp4", "long.mp4")
    bad.write_bytes(bad.read_bytes()[: bad.stat().st_size // 2])
    added = steps.add_movies(project, [bad, bad.with_name("none.mp4"), good], site="Reef")
    assert added["state"].tolist() == ["failed", "failed", "added"]
    assert "long.mp4" in added["error"][0]
    assert "There is no file" in added["error"][1]
    assert list(files(project)) == list(rows(project)) == ["reef.mp4"]


def test_a_dry_run_changes_nothing(project: Project, card: Any) -> None:
    paths = card("old.avi", "GX010042.MP4", "GX020042.MP4")
    before = {p: p.read_bytes() for p in project.folder.rglob("*") if p.is_file() and p.suffix != ".db-shm"}
    planned = steps.add_movies(project, paths, site="Reef", dry_run=True)
    assert planned[["filename", "state", "frames"]].to_numpy().tolist() == [
        ["old.mp4", "planned", 10],
        ["GX010042.mp4", "planned", 25],
    ]
    assert {p: p.read_bytes() for p in project.folder.rglob("*") if p.is_file() and p.suffix != ".db-shm"} == before


def test_the_rows_of_one_run_are_undone_at_once_and_come_again(project: Project, card: Any) -> None:
    paths = card("reef.mp4", "old.avi")
    added = steps.add_movies(project, paths, site="Reef", who="Ann", reason="New card")
    assert edits.history(project.store).loc[0, ["edit_id", "who", "reason"]].tolist() == [
        added["edit_id"][0],
        "Ann",
        "New card",
    ]
    steps.undo(project)
    assert rows(project) == {}
    copied = files(project)
    assert steps.add_movies(project, paths, site="Wreck")["state"].eq("added").all()
    assert files(project) == copied


def test_the_same_movie_under_another_name_is_there(project: Project, card: Any) -> None:
    (path,) = card("reef.mp4")
    copy = Path(shutil.copy(path, path.with_name("copy.mp4")))
    added = steps.add_movies(project, [path, copy], site="Reef")
    assert added[["filename", "state"]].to_numpy().tolist() == [["reef.mp4", "added"], ["reef.mp4", "there"]]
    again = steps.add_movies(project, [copy], site="Reef")
    assert again["notes"][0] == ["It is in the project already, as reef.mp4."]


def test_another_movie_of_the_same_name_is_refused_or_goes_into_a_folder(project: Project, card: Any) -> None:
    first, second = card("reef.mp4", "long.mp4")
    steps.add_movies(project, [first], site="Reef")
    second.replace(first)
    added = steps.add_movies(project, [first], site="Reef")
    assert "has reef.mp4 already" in added["error"][0]
    added = steps.add_movies(project, [first], site="Reef", folder="card_2")
    assert set(files(project)) == set(rows(project)) == {"reef.mp4", "card_2/reef.mp4"}


def test_a_name_that_the_archive_has_for_another_file_is_refused(project: Project, card: Any) -> None:
    for name in ("reef.mp4", "old.mp4"):
        (Path(project.archive.url) / name).write_bytes(b"another")
    added = steps.add_movies(project, card("reef.mp4", "old.avi"), site="Reef")
    assert added["state"].tolist() == ["failed", "failed"]
    assert all("name" in error for error in added["error"])
    assert rows(project) == {}


def test_a_movie_that_lies_in_the_archive_gets_its_row(project: Project, films: Path) -> None:
    path = Path(project.archive.url) / "2024" / "reef.mp4"
    path.parent.mkdir()
    shutil.copy(films / "reef.mp4", path)
    assert steps.add_movies(project, [path], site="Reef")["filename"].tolist() == ["2024/reef.mp4"]
    assert list(files(project)) == ["2024/reef.mp4"]


def test_a_file_that_was_lost_from_the_archive_is_put_back(project: Project, card: Any) -> None:
    paths = card("reef.mp4")
    steps.add_movies(project, paths, site="Reef")
    (Path(project.archive.url) / "reef.mp4").unlink()
    again = steps.add_movies(project, paths, site="Reef")
    assert again["state"].tolist() == ["there"]
    assert list(files(project)) == ["reef.mp4"]


def test_the_time_is_the_cameras_without_a_zone(project: Project, card: Any) -> None:
    added = steps.add_movies(project, card("reef.mp4", "ntsc.mp4"), site="Reef")
    assert added["eventDate"].tolist() == ["2024-05-01T10:00:00", None]
    assert "local time or UTC" in " ".join(added["notes"][0])
    assert "created_on has no value" in " ".join(added["notes"][1])


def test_a_date_that_the_camera_contradicts_is_told(project: Project, card: Any) -> None:
    added = steps.add_movies(project, card("reef.mp4"), site="Reef", date="2023-01-05")
    assert added["eventDate"].tolist() == ["2023-01-05"]
    assert "the file was made on 2024-05-01" in " ".join(added["notes"][0])


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("2024-05-01T10:00:00.000000Z", "2024-05-01T10:00:00"),
        ("2024-05-01T10:00:00+02:00", "2024-05-01T10:00:00+02:00"),
        ("1904-01-01T00:00:00Z", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_what_a_camera_says_of_the_time(said: str | None, moment: str | None) -> None:
    from kso_utils.project.steps.intake import _camera_time

    assert _camera_time(said, arrivals.Arrival([])) == moment


def test_a_site_is_known_by_its_locationid_too(project: Project, card: Any) -> None:
    steps.add_movies(project, card("reef.mp4"), site="W1")
    assert listed(project)["reef.mp4"]["locality"] == "Wreck"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"site": "Ref"}, "Is it one of these: Reef"),
        ({"date": "01/05/24"}, "is no date"),
        ({"values": {"colour": "red"}}, "has no column 'colour'"),
        ({"values": {"sampling_start": -5}}, "sampling_start"),
    ],
)
def test_what_is_wrong_for_all_is_refused_before_any_work(
    project: Project, card: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises((ConfigError, MetadataError), match=says):
        steps.add_movies(project, card("reef.mp4"), **{"site": "Reef", **options})
    assert files(project) == {}


def test_a_value_that_does_not_fit_one_movie_fails_that_one(project: Project, card: Any) -> None:
    added = steps.add_movies(project, card("reef.mp4", "long.mp4"), site="Reef", values={"sampling_end": 1.5})
    assert added["state"].tolist() == ["failed", "added"]
    assert "sampling_end" in added["error"][0]
    assert list(files(project)) == ["long.mp4"]


def test_no_file_is_refused(project: Project, tmp_path: Path) -> None:
    for files in ([], [tmp_path / "fjord" / "movies"]):
        with pytest.raises(ConfigError, match="no file to add"):
            steps.add_movies(project, files, site="Reef")


def test_a_folder_stands_for_the_movies_in_it(project: Project, card: Any) -> None:
    (reef,) = card("reef.mp4")
    reef.with_name("notes.txt").write_text("calm")
    shutil.copy(reef, reef.with_name("._reef.mp4"))
    planned = steps.add_movies(project, reef.parent, site="Reef", dry_run=True)
    assert planned["sources"].tolist() == [[str(reef)]]


def test_an_archive_on_a_web_server_is_refused(project: Project, card: Any) -> None:
    project.change_settings(archive=ArchiveSettings("https://127.0.0.1:9/footage"))
    with pytest.raises(ConfigError, match="cannot be written"):
        steps.add_movies(project, card("reef.mp4"), site="Reef")


def test_a_disk_that_is_not_connected_is_not_taken_for_an_empty_one(project: Project, card: Any) -> None:
    Path(project.archive.url).rmdir()
    with pytest.raises(NotFound, match="Connect its disk"):
        steps.add_movies(project, card("reef.mp4"), site="Reef")
    assert not Path(project.archive.url).exists()


def test_what_broke_off_goes_on_where_it_stood(project: Project, card: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = card("old.avi", "reef.mp4")
    push = project.archive.push

    def fail(source: Path, name: str) -> str:
        if name == "old.mp4":
            raise ArchiveError("The archive is gone. Connect it.")
        return push(source, name)

    monkeypatch.setattr(project.archive, "push", fail)
    assert steps.add_movies(project, paths, site="Reef")["state"].tolist() == ["failed", "added"]
    (made,) = (project.folder / ".kso" / "incoming").rglob("*.mp4")
    seen = made.stat().st_mtime_ns, sha256_file(made)
    monkeypatch.undo()
    again = steps.add_movies(project, paths, site="Reef")
    assert again["state"].tolist() == ["added", "there"]
    assert files(project)["old.mp4"] == seen[1]
    assert not (project.folder / ".kso" / "incoming").exists()


def test_a_file_that_changed_meanwhile_gets_no_row(
    project: Project, card: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = card("reef.mp4")
    monkeypatch.setattr(project.archive, "push", lambda source, name: "0" * 64)
    added = steps.add_movies(project, [path], site="Reef")
    assert "was changed while it was added" in added["error"][0]
    assert rows(project) == {}


def test_a_new_project_is_taken_in_first(tmp_path: Path, card: Any) -> None:
    with Project.create(tmp_path / "new") as project:
        with (project.folder / "sites.csv").open("a") as table:
            table.write("1,Reef,57.5,11.5,WGS84,SE\n")
        assert steps.add_movies(project, card("reef.mp4"), site="Reef")["state"].tolist() == ["added"]
        assert list(rows(project)) == ["reef.mp4"]


def picture(path: Path, seed: int = 0) -> Path:
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8))
    return path


def test_photos_get_their_files_and_rows(project: Project, tmp_path: Path) -> None:
    paths = [picture(tmp_path / name, seed) for seed, name in enumerate(("a.jpg", "b.png", "c.tif"))]
    added = steps.add_photos(project, paths, site="Reef", date="2024-05-01", values={"PhotoPosition": None})
    assert added["state"].eq("added").all()
    row = rows(project, "photos")["photos/b.png"]
    assert (row["width"], row["height"], row["captured_at"], row["site_id"]) == (64, 48, "2024-05-01", 1)
    assert files(project) == {name: row["sha256"] for name, row in rows(project, "photos").items()}
    assert steps.fill_store(project)["photos"].unchanged == 3
    assert rows(project, "photos")["photos/b.png"] == row
    assert steps.add_photos(project, paths, site="Reef")["state"].eq("there").all()


def test_a_damaged_photo_and_a_row_that_is_refused_do_not_stop_the_others(project: Project, tmp_path: Path) -> None:
    good, cut, control = (picture(tmp_path / name, seed) for seed, name in enumerate(("a.jpg", "b.jpg", "c\x07.jpg")))
    cut.write_bytes(cut.read_bytes()[:-200])
    added = steps.add_photos(project, [good, cut, control], site="Reef")
    assert added["state"].tolist() == ["added", "failed", "failed"]
    assert list(files(project)) == ["photos/a.jpg"]


def test_a_dry_run_of_photos_makes_no_table(project: Project, tmp_path: Path) -> None:
    planned = steps.add_photos(project, [picture(tmp_path / "a.jpg")], site="Reef", dry_run=True)
    assert planned["state"].tolist() == ["planned"]
    assert not (project.folder / "photos.csv").exists()


@pytest.fixture
def kso(capsys: pytest.CaptureFixture[str], project: Project) -> Any:
    """Run a command on the project; returns its exit code, what it printed, and what it said beside."""

    def run(*argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        return (main([*map(str, argv), "--project", str(project.folder)]), *capsys.readouterr())

    return run


def test_movies_are_added_from_a_terminal(kso: Any, card: Any) -> None:
    reef, old = card("reef.mp4", "old.avi")
    code, text, _ = kso("movies", "add", reef, old, "--site", "Reef", "--set", "recordedBy=Ann", "--dry-run")
    assert (code, "2 would be added" in text) == (0, True)
    code, text, _ = kso("movies", "add", reef, old, "--site", "Reef", "--set", "recordedBy=Ann", "--into", "may")
    assert code == 0
    assert f"added    {old} -> may/old.mp4" in text
    assert "kso undo e" in text


def test_a_failure_is_told_beside_what_was_added(kso: Any, card: Any) -> None:
    reef, bad = card("reef.mp4", "long.mp4")
    bad.write_bytes(b"")
    code, text, said = kso("movies", "add", reef, bad, "--site", "Reef", "--json")
    assert (code, [row["state"] for row in json.loads(text)]) == (1, ["added", "failed"])
    assert said == "kso: 1 of 2 movies failed.\n"


def test_photos_are_added_from_a_terminal(kso: Any, tmp_path: Path) -> None:
    code, text, _ = kso("photos", picture(tmp_path / "a.jpg"), "--site", "Reef", "--date", "2024-05-01")
    assert (code, "Photos: 1 added." in text) == (0, True)


def test_a_value_without_a_column_is_bad(kso: Any, tmp_path: Path) -> None:
    code, _, said = kso("photos", picture(tmp_path / "a.jpg"), "--site", "Reef", "--set", "Ann")
    assert (code, "COLUMN=VALUE" in said) == (1, True)


KILLER = Path(__file__).with_name("killing_intake.py")


def kill(folder: Path, kills: int, seed: int, where: str = "folder") -> int:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, str(KILLER), str(folder), str(kills), str(seed), where],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_addition_that_is_killed_is_finished_by_the_next_run(tmp_path: Path) -> None:
    assert kill(tmp_path, 2, 1) == 2


@pytest.mark.soak
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_sixty_kills(tmp_path: Path, where: str, record_figures: Any) -> None:
    if where == "bucket":
        pytest.importorskip("boto3")
        if find_rclone() is None:
            pytest.skip("rclone is not installed")
    record_figures("intake", {f"kills, into a {where}": kill(tmp_path, 60, 20261121, where)})
