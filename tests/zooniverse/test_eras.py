import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.zooniverse.matching.eras import Era, require_era

ERA = Era("{movie}_{start}.mp4", 10.0, "2019-11-17", "2020-05-29", ".mov")


@pytest.mark.parametrize(
    ("created_at", "within"),
    [
        ("2019-11-16T23:59:59Z", False),
        ("2019-11-17T00:00:00Z", True),
        ("2020-05-28T23:59:59Z", True),
        ("2020-05-29T00:00:00Z", False),
        (None, False),
    ],
)
def test_an_era_holds_what_was_made_from_since_on_and_before_until(created_at, within):
    assert ERA.holds(created_at) is within


def test_an_era_without_end_lasts():
    assert Era("{movie}_{start}.mp4", 10.0).holds("2031-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tape 55_130.mp4", ("tape 55.mov", 130.0, 140.0)),
        ("01484001_1_20.MP4", ("01484001_1.mov", 20.0, 30.0)),
        ("a_2.5.mp4", ("a.mov", 2.5, 12.5)),
        ("a_20.mov", None),
        ("a_20_frame125.jpg", None),
        ("_20.mp4", None),
        ("a_.mp4", None),
        ("a_20xmp4", None),
    ],
)
def test_a_name_is_taken_apart_by_its_template(name, said):
    assert ERA.read(name) == said


def test_a_movie_ends_as_its_clips_unless_it_is_said():
    assert Era("{movie}_{start}.mp4", 10.0).read("a_5.mp4").movie == "a.mp4"


def test_a_template_may_begin_with_the_start():
    assert Era("({start}) {movie}.mp4", 5.0).read("(20) a.mp4") == ("a.mp4", 20.0, 25.0)


@pytest.mark.parametrize(
    ("era", "says"),
    [
        (Era("{movie}.mp4", 10.0), "{start}"),
        (Era("{movie}_{start}_{movie}", 10.0), "once each"),
        (Era("{movie}_{start}", 0.0), "clip_length_s is 0"),
        (Era("{movie}_{start}", float("inf")), "clip_length_s is inf"),
        (Era("{movie}_{start}", 10.0, "17/11/2019"), "'17/11/2019' is no time"),
        (Era("{movie}_{start}", 10.0, until="2020"), "'2020' is no time"),
        (Era("{movie}_{start}", 10.0, "2020-05-29", "2019-11-17"), "later than since"),
    ],
)
def test_an_era_that_cannot_be_is_refused(era, says):
    with pytest.raises(ConfigError, match=says):
        require_era(era)


def test_an_era_of_a_moment_is_allowed():
    require_era(Era("{movie}_{start}", 10.0, "2019-11-17T12:00:00Z", "2019-11-18"))
