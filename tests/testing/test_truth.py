import pandas as pd
import pytest

from kso_utils.testing.truth import clip_truth, max_n_truth


@pytest.fixture
def truth():
    """Two cods from 1 s to 2 s, one more at 1.5 s; a crab for three frames; a cod in another movie."""
    rows = [("a.mp4", n, n / 10, i, "Cod") for n in range(10, 20) for i in (1, 2)]
    rows += [("a.mp4", 15, 1.5, 3, "Cod")]
    rows += [("a.mp4", n, n / 10, 4, "Crab") for n in (12, 13, 14)]
    rows += [("b.mp4", n, n / 10, 1, "Cod") for n in range(30)]
    return pd.DataFrame(rows, columns=["filename", "frame_number", "pts_s", "animal_id", "label"])


def clips(*rows):
    return pd.DataFrame(rows, columns=["filename", "clip_start_time", "clip_end_time", "subject_id"])


def test_a_clip_counts_the_most_in_one_frame(truth):
    assert clip_truth(truth, clips(("a.mp4", 0.0, 3.0, 7)))["how_many"].tolist() == [3]


def test_the_first_sight_counts_from_the_start_of_the_clip(truth):
    assert clip_truth(truth, clips(("a.mp4", 0.6, 3.0, 7)))["first_seen_s"].tolist() == pytest.approx([0.4])


def test_a_species_in_too_few_frames_is_absent(truth):
    short = clips(("a.mp4", 0.0, 3.0, 7))
    assert clip_truth(truth, short)["label"].tolist() == ["Cod"]
    assert clip_truth(truth, short, min_frames=3)["label"].tolist() == ["Cod", "Crab"]


def test_the_end_of_a_clip_is_not_in_it(truth):
    assert clip_truth(truth, clips(("a.mp4", 0.0, 1.0, 7)), min_frames=1).empty


def test_rows_keep_the_index_and_columns_of_their_clip(truth):
    plan = clips(("a.mp4", 5.0, 6.0, 7), ("b.mp4", 0.0, 1.0, 8)).set_axis([40, 41])
    found = clip_truth(truth, plan)
    assert found.index.tolist() == [41]
    assert found["subject_id"].tolist() == [8]


def test_no_clips_give_an_empty_table_with_all_columns(truth):
    assert clip_truth(truth, clips()).columns[-3:].tolist() == ["label", "how_many", "first_seen_s"]


def test_max_n_is_the_most_in_one_frame_of_each_movie(truth):
    expected = [("a.mp4", "Cod", 3), ("a.mp4", "Crab", 1), ("b.mp4", "Cod", 1)]
    assert list(max_n_truth(truth).itertuples(index=False, name=None)) == expected
