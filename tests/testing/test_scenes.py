import numpy as np
import pytest

from kso_utils.testing.scenes import HEIGHT, PLATE, SCENES, WIDTH, Light, Snow, paint_plate


@pytest.fixture(scope="module")
def plates():
    return [paint_plate(scene, 0.2, np.random.default_rng(0)) for scene in SCENES]


def test_a_plate_is_larger_than_the_picture(plates):
    assert all(p.shape == (*PLATE, 3) and p.dtype == np.uint8 for p in plates)
    assert PLATE[0] > HEIGHT
    assert PLATE[1] > WIDTH


def test_every_site_looks_different(plates):
    colours = np.array([p.mean(axis=(0, 1)) for p in plates])
    apart = np.abs(colours[:, None] - colours[None]).max(axis=2)
    assert apart[~np.eye(len(plates), dtype=bool)].min() > 2


def test_the_water_is_never_red(plates):
    for plate in plates:
        red, green, blue = plate[: HEIGHT // 4].mean(axis=(0, 1))
        assert red < min(green, blue)


def test_turbid_water_hides_detail():
    clear, turbid = (paint_plate(SCENES[1], t, np.random.default_rng(0)).astype(float) for t in (0.1, 0.7))
    assert np.abs(np.diff(turbid, axis=1)).mean() < 0.8 * np.abs(np.diff(clear, axis=1)).mean()


def test_the_same_seed_paints_the_same_plate(plates):
    assert np.array_equal(plates[2], paint_plate(SCENES[2], 0.2, np.random.default_rng(0)))


def test_light_changes_with_time_and_stays_near_one():
    light = Light(SCENES[0], 12.0, np.random.default_rng(0))
    fields = np.array([light.at(t)[..., 0] for t in (0.0, 1.0, 4.0)]) / 100
    assert 0.7 < fields.mean() < 1.4
    assert np.abs(fields[1] - fields[0]).mean() > 0.005
    assert fields.mean(axis=(1, 2)).std() > 0.003


def test_light_has_no_colour():
    field = Light(SCENES[0], 12.0, np.random.default_rng(0)).at(1.0)
    assert np.ptp(field, axis=2).max() == 0


def test_snow_drifts_and_covers_little():
    snow = Snow(1.0, np.random.default_rng(0))
    now, later = (snow.at(t, (0.0, 0.0))[..., 0] for t in (0.0, 1.0))
    assert 0.002 < (now > 20).mean() < 0.1
    assert not np.array_equal(now, later)


def test_more_snow_is_more():
    little, much = (Snow(a, np.random.default_rng(0)).at(0, (0.0, 0.0)).mean() for a in (0.5, 2.0))
    assert much > 2 * little
