import numpy as np
import pytest

from kso_utils.testing.animals import COD, CRAB, JELLY
from kso_utils.testing.paths import LEVELS, overlap_share, plan_animals, plan_camera, set_extremes
from kso_utils.testing.scenes import HEIGHT, MARGIN_X, MARGIN_Y, WIDTH


def plan(level, counts, seed, frames=120):
    rng = np.random.default_rng(seed)
    camera = plan_camera(frames, 25, rng)
    return plan_animals(LEVELS[level], counts, camera, 25, 0.42, rng), camera


@pytest.mark.parametrize("level", ["easy", "hard"])
@pytest.mark.parametrize("counts", [(1, 0, 0), (1, 1, 1), (2, 0, 3), (0, 4, 1), (6, 6, 6)], ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_animals_of_a_movie_overlap_often_enough(level, counts, seed):
    animals, camera = plan(level, counts, seed)
    assert overlap_share(animals, camera) >= LEVELS[level].overlap[0]


def test_no_animals_make_an_empty_plan():
    assert plan("easy", (0, 0, 0), 0)[0] == []


def test_a_lonely_animal_gets_a_mate():
    assert [a.species for a in plan("easy", (0, 1, 0), 0)[0]] == [CRAB, CRAB]


def test_far_animals_come_first():
    distances = [a.distance for a in plan("hard", (3, 3, 3), 0)[0]]
    assert distances == sorted(distances, reverse=True)


@pytest.mark.parametrize("seed", range(5))
def test_the_camera_stays_on_the_plate(seed):
    camera = plan_camera(3000, 25, np.random.default_rng(seed))
    assert (camera >= 0).all()
    assert (camera <= [2 * MARGIN_X, 2 * MARGIN_Y]).all()


def test_a_cod_swims_the_way_it_faces():
    for animal in plan("easy", (6, 0, 0), 2)[0]:
        assert animal.species is COD
        assert (animal.centre[-1, 0] < animal.centre[0, 0]) == animal.faces_left


def test_a_jellyfish_rises():
    (animal, *_) = plan("easy", (0, 0, 2), 3)[0]
    assert animal.species is JELLY
    assert animal.centre[-1, 1] < animal.centre[0, 1]


def test_a_crab_stays_on_the_floor():
    animals, camera = plan("easy", (0, 3, 0), 4)
    for animal in animals:
        assert ((animal.centre - camera)[:, 1] > 0.42 * HEIGHT).all()


def test_every_leader_is_in_the_picture_at_some_moment():
    animals, camera = plan("easy", (2, 2, 2), 5)
    seen = [((a.centre - camera > 0) & (a.centre - camera < [WIDTH, HEIGHT])).all(axis=1).any() for a in animals]
    assert sum(seen) >= len(animals) - 1


def test_movies_alternate_between_faint_and_striking_animals():
    animals, camera = plan("easy", (2, 2, 2), 6)
    assert min(a.contrast for a in set_extremes(animals, camera, 1)) == 0.05
    assert max(a.contrast for a in set_extremes(animals, camera, 0)) == 0.5


def test_hard_footage_is_fainter_than_easy_footage():
    easy, hard = (np.median([a.contrast for a in plan(level, (6, 6, 6), 7)[0]]) for level in ("easy", "hard"))
    assert hard < easy
