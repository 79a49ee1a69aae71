from dataclasses import replace

import numpy as np
import pytest

from kso_utils.testing.animals import COD, CRAB, JELLY, PHASES, SPECIES, draw
from kso_utils.testing.drawing import LUMA
from kso_utils.testing.filming import film
from kso_utils.testing.paths import Animal
from kso_utils.testing.scenes import HEIGHT, PLATE, SCENES, WIDTH

GREY = 80


class Still:
    """Light or snow that changes nothing."""

    def __init__(self, value):
        self.value = value

    def at(self, *_):
        return np.full((HEIGHT, WIDTH, 3), self.value, np.uint8)


def stand(species, x, y, **changes):
    animal = Animal(species, 0, 100.0, 0.0, 0.3, True, np.array([[x, y]], float), np.zeros(1), np.zeros(1), False)
    return replace(animal, **changes)


def shoot(*animals):
    plate = np.full((*PLATE, 3), GREY, np.uint8)
    camera = np.zeros((1, 2))
    ((picture, rows),) = film(SCENES[0], plate, list(animals), camera, 25, 0.0, Still(100), Still(0))
    return picture.astype(float), rows


@pytest.mark.parametrize("species", [COD, JELLY], ids=lambda s: s.label)
def test_the_box_fits_the_animal(species):
    picture, (row,) = shoot(stand(species, 300, 180))
    ys, xs = np.nonzero(np.abs(picture - GREY).max(axis=2) > 12)
    drawn = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    box = np.array([row["x"], row["y"], row["x"] + row["width"], row["y"] + row["height"]])
    assert np.abs(drawn - box).max() <= 9


def test_nothing_is_drawn_outside_the_box_of_a_crab_and_its_shadow():
    picture, (row,) = shoot(stand(CRAB, 300, 180))
    changed = np.abs(picture - GREY).max(axis=2) > 12
    changed[row["y"] - 9 : row["y"] + row["height"] + 16, row["x"] - 16 : row["x"] + row["width"] + 16] = False
    assert not changed.any()


@pytest.mark.parametrize("species", SPECIES, ids=lambda s: s.label)
@pytest.mark.parametrize("contrast", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("bright", [True, False])
def test_the_recorded_contrast_is_the_planned_one(species, contrast, bright):
    _, (row,) = shoot(stand(species, 300, 180, contrast=contrast, bright=bright))
    assert row["contrast"] == pytest.approx(contrast, abs=0.02)


def test_the_recorded_contrast_is_that_of_the_pixels():
    picture, (row,) = shoot(stand(COD, 300, 180, contrast=0.4, bright=False))
    luma = picture @ LUMA
    inside = luma[row["y"] : row["y"] + row["height"], row["x"] : row["x"] + row["width"]]
    animal = inside[np.abs(inside - GREY) > 8].mean()
    assert abs(animal - GREY) / (animal + GREY) == pytest.approx(row["contrast"], abs=0.04)


def test_an_animal_half_outside_has_a_smaller_box_and_share():
    _, (whole,) = shoot(stand(COD, 300, 180))
    _, (part,) = shoot(stand(COD, 10, 180))
    assert part["x"] == 0
    assert part["width"] < 0.7 * whole["width"]
    assert part["visible"] == pytest.approx(0.6, abs=0.15)


def test_an_animal_mostly_outside_is_not_in_the_truth():
    assert shoot(stand(COD, -25, 180))[1] == []


def test_an_animal_behind_another_is_less_visible():
    _, rows = shoot(stand(CRAB, 300, 180), stand(CRAB, 340, 185))
    assert [r["overlapping"] for r in rows] == [True, True]
    assert rows[0]["visible"] < 0.95
    assert rows[1]["visible"] == 1.0


def test_a_hidden_animal_is_not_in_the_truth():
    _, rows = shoot(stand(CRAB, 300, 180), stand(CRAB, 303, 181))
    assert [r["animal_id"] for r in rows] == [2]
    assert not rows[0]["overlapping"]


def test_a_tiny_animal_is_not_in_the_truth():
    assert shoot(stand(COD, 300, 180, length_px=28.0))[1] == []


@pytest.mark.parametrize("species", SPECIES, ids=lambda s: s.label)
def test_animals_move_from_phase_to_phase(species):
    phases = draw(species, 0)
    assert len(phases) == PHASES
    assert np.abs(phases[0] - phases[PHASES // 4]).max() > 20


@pytest.mark.parametrize("species", SPECIES, ids=lambda s: s.label)
def test_pictures_of_animals_are_premultiplied(species):
    picture = draw(species, 0)[0]
    assert (picture[..., :3] <= picture[..., 3:] * 1.05 + 1).all()
