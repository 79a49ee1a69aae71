import json

import numpy as np
import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.media.frames import read_frames
from kso_utils.media.movie import probe
from kso_utils.testing.animals import SPECIES
from kso_utils.testing.paths import LEVELS
from kso_utils.testing.reef import deal_counts, generate_reef, load_truth, make_tables, render

NAMES = "filename frame_number pts_s animal_id label x y width height visible contrast overlapping"
COLUMNS = NAMES.split()
LEAST_OVERLAP = {"easy": 0.2, "hard": 0.4}


def render_truth(level, seed, movies, frames):
    parts = []
    for index in movies:
        rows = [row for _, found in render(level, seed, index // 2, index, frames) for row in found]
        parts.append(pd.DataFrame(rows, columns=COLUMNS).assign(filename=f"{index}"))
    return pd.concat(parts, ignore_index=True)


def overlap_share(truth):
    return truth.groupby(["filename", "frame_number"])["overlapping"].any().mean()


@pytest.fixture(scope="module", params=[("easy", 0), ("easy", 3), ("hard", 0), ("hard", 3)], ids=str)
def short(request):
    level, seed = request.param
    return level, render_truth(level, seed, (0, 1, 6, 11), 20)


@pytest.fixture(scope="module")
def reef(tmp_path_factory):
    return generate_reef(tmp_path_factory.mktemp("reef"), "easy", 1, sites=2, movies_per_site=1, duration_s=0.6)


def test_enough_frames_with_animals_hold_overlapping_ones(short):
    level, truth = short
    assert overlap_share(truth) >= LEAST_OVERLAP[level]


def test_overlapping_animals_have_boxes_that_meet(short):
    _, truth = short
    marked = 0
    for _, frame in truth[truth["frame_number"] % 4 == 0].groupby(["filename", "frame_number"]):
        for row in frame[frame["overlapping"]].itertuples():
            other = frame[frame["animal_id"] != row.animal_id]
            meets = (
                (other["x"] < row.x + row.width)
                & (row.x < other["x"] + other["width"])
                & (other["y"] < row.y + row.height)
                & (row.y < other["y"] + other["height"])
            )
            # A jelly's arms may hang over an animal of which only the other side is visible: boxes then touch.
            marked += 1 - meets.any()
    assert marked <= 0.005 * truth["overlapping"].sum()


def test_contrasts_span_the_range(short):
    _, truth = short
    assert truth["contrast"].between(0.05, 0.5).all()
    assert truth["contrast"].min() <= 0.055
    assert truth["contrast"].max() >= 0.47


def test_every_row_is_visible_and_large_enough(short):
    _, truth = short
    assert truth["visible"].between(0.4, 1.0).all()
    assert truth[["width", "height"]].min(axis=None) >= 12


def test_boxes_lie_in_the_picture(short):
    _, truth = short
    assert (truth[["x", "y"]] >= 0).all(axis=None)
    assert ((truth["x"] + truth["width"]) <= 640).all()
    assert ((truth["y"] + truth["height"]) <= 360).all()


def test_at_most_six_animals_of_a_species(short):
    _, truth = short
    assert truth.groupby(["filename", "label"])["animal_id"].nunique().between(1, 6).all()


def test_all_three_species_occur(short):
    assert set(short[1]["label"]) == {s.label for s in SPECIES}


@pytest.mark.parametrize("level", ["easy", "hard"])
@pytest.mark.parametrize("seed", range(4))
def test_a_set_deals_from_none_to_six_animals_of_each_species(level, seed):
    dealt = np.array([deal_counts(LEVELS[level].counts, seed, i) for i in range(12)])
    assert dealt.min(axis=0).tolist() == [0, 0, 0]
    assert dealt.max(axis=0).tolist() == [6, 6, 6]


def test_same_seed_gives_the_same_pictures_and_truth():
    first, again = (list(render("easy", 7, 2, 4, 3)) for _ in range(2))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert [a[1] for a in first] == [b[1] for b in again]


def test_another_seed_gives_other_pictures():
    a, b = (next(render("easy", seed, 0, 0, 2))[0] for seed in (0, 1))
    assert not np.array_equal(a, b)


def test_the_camera_drifts():
    frames = [picture.mean(axis=2) for picture, _ in render("easy", 0, 0, 0, 50)]
    apart = np.abs(np.diff(frames[:: len(frames) - 1], axis=0)).mean()
    assert apart > 2 * np.abs(frames[1] - frames[0]).mean()


def test_movies_have_the_promised_form(reef):
    for filename in reef.tables["movies"]["filename"]:
        info = probe(reef.movies_folder / filename)
        assert (info.width, info.height, info.fps, info.frames) == (640, 360, 25.0, 15)


def test_truth_counts_frames_and_times_of_the_movie(reef):
    assert reef.truth.columns.tolist() == COLUMNS
    assert reef.truth["frame_number"].between(0, 14).all()
    assert np.allclose(reef.truth["pts_s"], reef.truth["frame_number"] / 25)


def test_the_movie_shows_the_pictures(reef):
    filename = reef.tables["movies"]["filename"][1]
    drawn = [picture for picture, _ in render("easy", 1, 1, 1, 15)]
    shown = [picture for _, _, picture in read_frames(reef.movies_folder / filename)]
    assert np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(drawn, shown, strict=True)]) < 3


def test_tables_have_the_headers_of_the_template(reef):
    headers = {name: (reef.folder / f"{name}.csv").read_text("utf-8").splitlines()[0] for name in reef.tables}
    assert headers == {
        "sites": "site_id,siteName,decimalLatitude,decimalLongitude,geodeticDatum,countryCode",
        "movies": "movie_id,filename,siteName,created_on,author,fps,duration,sampling_start,sampling_end,fpath",
        "species": "species_id,commonName,scientificName,taxonRank,kingdom",
    }


def test_tables_name_every_label_and_the_answer_for_nothing(reef):
    names = set(reef.tables["species"]["vernacularName"])
    assert names == {s.label for s in SPECIES} | {"Nothing here"}
    assert set(reef.truth["label"]) <= names


def test_sites_lie_apart_from_each_other():
    sites = make_tables(6, 1, 12.0)["sites"]
    assert len(sites.drop_duplicates(["decimalLatitude", "decimalLongitude"])) == 6


def test_saved_truth_is_the_truth(reef):
    pd.testing.assert_frame_equal(load_truth(reef.folder / "truth.csv.gz"), reef.truth)


def test_finished_movies_are_kept_and_damaged_ones_made_again(tmp_path):
    arguments = {"seed": 1, "sites": 2, "movies_per_site": 1, "duration_s": 0.08}
    first = generate_reef(tmp_path, **arguments)
    kept, damaged = (first.movies_folder / name for name in first.tables["movies"]["filename"])
    before, whole = kept.stat().st_mtime_ns, damaged.read_bytes()
    damaged.write_bytes(whole[:100])
    again = generate_reef(tmp_path, **arguments)
    assert kept.stat().st_mtime_ns == before
    assert damaged.read_bytes() == whole
    pd.testing.assert_frame_equal(again.truth, first.truth)


def test_other_arguments_make_movies_again(tmp_path):
    generate_reef(tmp_path, seed=1, sites=1, movies_per_site=1, duration_s=0.08)
    reef = generate_reef(tmp_path, seed=1, sites=1, movies_per_site=1, duration_s=0.12)
    assert probe(reef.movies_folder / reef.tables["movies"]["filename"][0]).frames == 3


def test_an_unreadable_mark_makes_the_movie_again(tmp_path):
    reef = generate_reef(tmp_path, seed=1, sites=1, movies_per_site=1, duration_s=0.08)
    (mark,) = (tmp_path / ".reef").glob("*.json")
    mark.write_text("{")
    generate_reef(tmp_path, seed=1, sites=1, movies_per_site=1, duration_s=0.08)
    assert json.loads(mark.read_text())["size_bytes"] == next(reef.movies_folder.iterdir()).stat().st_size


@pytest.mark.parametrize(
    "wrong", [{"level": "middling"}, {"sites": 0}, {"sites": 7}, {"movies_per_site": 0}, {"duration_s": 0}], ids=str
)
def test_arguments_out_of_range_are_refused(tmp_path, wrong):
    with pytest.raises(ConfigError, match="6 sites"):
        generate_reef(tmp_path, **wrong)


@pytest.mark.soak
@pytest.mark.parametrize("level", ["easy", "hard"])
@pytest.mark.parametrize("seed", range(3))
def test_whole_sets_keep_their_promises(level, seed):
    truth = render_truth(level, seed, range(12), 300)
    assert overlap_share(truth) >= LEAST_OVERLAP[level]
    assert truth["contrast"].between(0.05, 0.5).all()
    assert truth.groupby(["filename", "label"])["animal_id"].nunique().max() == 6


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="from 0"):
        generate_reef(tmp_path, seed=-1)
