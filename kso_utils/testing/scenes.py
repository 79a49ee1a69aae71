"""The places of the generated reef: sea floors, water, moving light and marine snow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kso_utils.testing.drawing import Image, cloud, cv2, mix, ramp, smooth_curve

WIDTH, HEIGHT = 640, 360
MARGIN_X, MARGIN_Y = 120, 20
PLATE = (HEIGHT + 2 * MARGIN_Y, WIDTH + 2 * MARGIN_X)
_SNOW_LAYERS = ((90, 0.9, 60), (34, 1.5, 78), (9, 3.2, 70))


@dataclass(frozen=True)
class Scene:
    """What a site looks like.

    Attributes
    ----------
    floor
        Two colours of the sea floor, RGB.
    veil
        The colour of the water at a distance, RGB.
    ripples, stones, blades
        How much of the floor's waves, boulders and plants there is: 0 to 1.
    plant
        The colour of the plants, RGB.
    horizon
        Where floor and water meet, as a share of the height.
    """

    floor: tuple[tuple[int, int, int], tuple[int, int, int]]
    veil: tuple[int, int, int]
    ripples: float = 0.0
    stones: float = 0.0
    blades: float = 0.0
    plant: tuple[int, int, int] = (70, 84, 34)
    horizon: float = 0.42


SCENES = (
    Scene(((120, 112, 84), (92, 88, 66)), (34, 92, 104), ripples=1.0, stones=0.15),
    Scene(((92, 84, 72), (60, 58, 54)), (24, 78, 98), stones=1.0, blades=0.1, horizon=0.38),
    Scene(((84, 84, 56), (58, 64, 44)), (36, 92, 80), stones=0.4, blades=0.8, plant=(92, 82, 30), horizon=0.4),
    Scene(((108, 98, 82), (74, 70, 64)), (42, 88, 96), ripples=0.3, stones=0.5, horizon=0.46),
    Scene(((82, 82, 66), (66, 68, 56)), (44, 86, 72), ripples=0.25, blades=0.12, horizon=0.44),
    Scene(((112, 108, 78), (80, 86, 60)), (38, 98, 92), ripples=0.5, blades=0.7, plant=(62, 106, 44), horizon=0.4),
)


def paint_plate(scene: Scene, turbidity: float, rng: np.random.Generator) -> Image:
    """Return the still background, larger than the picture by the margins, as (height, width, 3) uint8.

    What is far is nearer to the colour of the water and less sharp.

    Parameters
    ----------
    scene
        The site.
    turbidity
        0 for clear water, 1 for hardly any sight.
    rng
        Places stones and plants.
    """
    h, w = PLATE
    veil = np.array(scene.veil, np.float32)
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    far_away = h * scene.horizon
    water = mix(veil * 1.25 + 12, veil * 0.92, ramp(y, -0.2 * h, 1.3 * far_away)[..., None])
    water = water * (1 + 0.02 * cloud(PLATE, rng, 0.6))[..., None]
    uneven = 5 * np.cumsum(cloud((16, w), rng, 0.5)[0]) / w**0.5
    depth = np.maximum(y - far_away - uneven[None, :] * 0.6, 0.5) / (h - far_away)
    floor = _paint_floor(scene, x - w / 2, depth, rng)
    clear = np.exp(-(0.16 + 0.5 * turbidity) / np.maximum(depth, 0.02))[..., None]
    picture = mix(water, floor, clear * ramp(depth, 0.0, 0.04)[..., None])
    for near in np.sort(rng.uniform(0.14, 1.0, round(26 * scene.stones + 42 * scene.blades))):
        share = scene.stones * 26 / (scene.stones * 26 + scene.blades * 42)
        thing = _stone if rng.uniform() < share else _plant
        colour, mask = thing(scene, near, far_away, rng)
        blur = (0.5 + 2.5 * turbidity) * (1 - near) + 0.35
        left, top, width, height = cv2.boundingRect((mask > 0).astype(np.uint8))
        room = int(3 * blur) + 1
        box = np.s_[max(top - room, 0) : top + height + room, max(left - room, 0) : left + width + room]
        soft = cv2.GaussianBlur(mask[box], (0, 0), blur)[..., None]
        see = float(np.exp(-(0.2 + 0.55 * turbidity) / (0.25 + 0.75 * near) * 1.1))
        picture[box] = mix(picture[box], mix(veil * 0.95, colour[box], see), soft)
    soft = cv2.GaussianBlur(picture, (0, 0), 1.2 + 2.2 * turbidity)
    picture = mix(soft, picture, ramp(depth, 0.05, 0.55 + 0.4 * turbidity)[..., None])
    return np.clip(picture * 1.12, 0, 255).astype(np.uint8)


def _paint_floor(scene: Scene, x: Image, depth: Image, rng: np.random.Generator) -> Image:
    """Return a floor in perspective: `depth` is 0 at the horizon and 1 at the lower edge."""
    along, across = x / (0.16 + depth) * 0.7, 95.0 / (0.16 + depth)
    grain, patches = cloud((512, 512), rng, 1.6), cloud((512, 512), rng, 0.7)

    def _look(texture: Image, scale: float) -> Image:
        u, v = (along * scale) % 511, (across * scale) % 511
        return cv2.remap(texture, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, None, cv2.BORDER_WRAP)

    light, dark = (np.array(c, np.float32) for c in scene.floor)
    wide = _look(patches, 0.5)
    floor = mix(dark, light, ramp(wide, -1.3, 1.3)[..., None])
    wave = np.sin(across * 0.42 + 1.4 * wide + 0.012 * along) ** 3
    detail = 0.05 * _look(grain, 3.0) + 0.045 * _look(patches, 2.3) + 0.15 * scene.ripples * wave
    return floor * (1 + detail * ramp(depth, 0.0, 0.3))[..., None]


def _stone(scene: Scene, near: float, far_away: float, rng: np.random.Generator) -> tuple[Image, Image]:
    """Return colour and mask of a boulder, lit from above and overgrown."""
    h, w = PLATE
    size = (14 + 62 * near) * rng.uniform(0.5, 1.25)
    x0, y0 = rng.uniform(0, w), far_away + near * (h - far_away) * 0.97
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    radius = size * (1 + 0.16 * rng.standard_normal(14))
    points = np.stack([x0 + 1.25 * radius * np.cos(angle), y0 - 0.15 * size + 0.62 * radius * np.sin(angle)], 1)
    points[:, 1] = np.minimum(points[:, 1], y0 + 0.3 * size)
    mask = np.zeros(PLATE, np.float32)
    cv2.fillPoly(mask, [np.round(smooth_curve(points) * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    box = np.s_[max(0, int(y0 - 2 * size)) : int(y0 + 2 * size), max(0, int(x0 - 3 * size)) : int(x0 + 3 * size)]
    y = np.broadcast_to(np.arange(h, dtype=np.float32)[:, None], PLATE)
    up = np.clip((y0 + 0.4 * size - y[box]) / (1.3 * size), 0, 1)
    bump = cloud(up.shape, rng, 0.9)
    base = mix(np.array(scene.floor[1], np.float32) * 0.75, np.array([104, 96, 90], np.float32), 0.35)
    crust = np.array([[128, 82, 92], [96, 104, 58], [124, 116, 100]][rng.integers(3)], np.float32)
    grown = mix(base, crust, 0.5 * ramp(cloud(up.shape, rng, 0.8), 0.3, 1.0)[..., None])
    colour = np.zeros((h, w, 3), np.float32)
    colour[box] = grown * ((0.38 + 0.85 * up) * (1 + 0.1 * bump))[..., None]
    return colour, mask


def _plant(scene: Scene, near: float, far_away: float, rng: np.random.Generator) -> tuple[Image, Image]:
    """Return colour and mask of a tuft of blades."""
    h, w = PLATE
    x0, y0 = rng.uniform(0, w), far_away + near * (h - far_away) + 6
    mask, shade = np.zeros(PLATE, np.float32), np.zeros(PLATE, np.float32)
    for _ in range(rng.integers(4, 9)):
        length, lean = (40 + 130 * near) * rng.uniform(0.5, 1.0), rng.normal(0, 0.28)
        t = np.linspace(0, 1, 7)
        bend = rng.normal(0, 0.07) * np.sin(t * 5 + rng.uniform(0, 6))
        root = x0 + rng.normal(0, 4 + 10 * near)
        path = np.stack([root + length * (lean * t**1.6 + bend), y0 - length * t], 1)
        wide = (1.5 + 5.5 * near) * np.sin(np.pi * (0.12 + 0.86 * t)) ** 0.7 * rng.uniform(0.6, 1.1)
        blade = np.vstack([path + np.stack([wide, 0 * t], 1), (path - np.stack([wide, 0 * t], 1))[::-1]])
        outline = [np.round(smooth_curve(blade) * 16).astype(np.int32)]
        cv2.fillPoly(mask, outline, 1.0, cv2.LINE_AA, 4)
        cv2.fillPoly(shade, outline, float(rng.uniform(0.6, 1.15)), cv2.LINE_AA, 4)
    rise = np.clip((y0 - np.arange(h, dtype=np.float32)) / (40 + 130 * near), 0, 1)[:, None]
    colour = np.array(scene.plant, np.float32) * (shade * (0.55 + 0.55 * rise))[..., None]
    return colour, mask


class Light:
    """Light that moves: a slow change of brightness, caustics on the floor, shafts in the water."""

    def __init__(self, scene: Scene, duration_s: float, rng: np.random.Generator) -> None:
        self._web = cloud((256, 256), rng, 0.5)
        self._phase = rng.uniform(0, 2 * np.pi, 3)
        self._swing = rng.uniform(0.05, 0.13)
        self._period_s = max(4.0, duration_s * rng.uniform(0.4, 0.9))
        y = np.linspace(0, 1, HEIGHT // 4, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, WIDTH // 4, dtype=np.float32)[None, :]
        self._low, self._high = 0.5 * ramp(y, scene.horizon, 1.0), 0.16 * ramp(-y, -0.75, 0.0)
        self._x, self._y = x, y
        self._vignette = 1.03 - 0.22 * (x**2 + (2 * y - 1) ** 2) / 2

    def at(self, time_s: float) -> Image:
        """Return the factor of brightness at a time, times 100, as (height, width, 3) uint8."""
        h, w = self._low.shape[0], self._x.shape[1]
        a = self._crop(9.0 * time_s, 3.0 * time_s, h, w)
        b = self._crop(128 - 7.0 * time_s, 60 + 5.0 * time_s, h, w)
        web = np.exp(-3.0 * np.abs(a + b))
        slow = 1 + self._swing * np.sin(2 * np.pi * time_s / self._period_s + self._phase[0])
        ray = np.sin((self._x + 0.25 * self._y) * 9 + 0.5 * time_s + self._phase[1])
        ray = ray * np.sin((self._x + 0.18 * self._y) * 4.3 - 0.3 * time_s + self._phase[2])
        field = self._vignette * slow * (0.95 + self._low * web + self._high * ray)
        small = np.clip(field * 100, 0, 255).astype(np.uint8)
        return cv2.merge([cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)] * 3)

    def _crop(self, x: float, y: float, h: int, w: int) -> Image:
        whole = np.array([[1, 0, x % 256], [0, 1.6, y % 256]], np.float32)
        inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(self._web, whole, (w, h), flags=inverse, borderMode=cv2.BORDER_WRAP)


class Snow:
    """Marine snow: three layers of particles, the near ones larger, faster and less sharp."""

    def __init__(self, amount: float, rng: np.random.Generator) -> None:
        self._layers = []
        for count, size, brightness in _SNOW_LAYERS:
            tile = np.zeros((HEIGHT, WIDTH), np.float32)
            for _ in range(round(count * amount)):
                centre = (int(rng.integers(WIDTH) * 16), int(rng.integers(HEIGHT) * 16))
                radius = size * rng.uniform(0.6, 1.4)
                cv2.circle(tile, centre, int(radius * 16), brightness * rng.uniform(0.5, 1.3), -1, cv2.LINE_AA, 4)
            tile = cv2.GaussianBlur(tile, (0, 0), 0.55 * size)
            twice = np.tile(np.clip(tile, 0, 255).astype(np.uint8), (2, 2))
            drift = rng.normal([0, 9], 5) * size
            self._layers.append((twice, drift, 0.7 + 0.5 * size))

    def at(self, time_s: float, camera: tuple[float, float]) -> Image:
        """Return what the particles add to the picture, as (height, width, 3) uint8."""
        total = np.zeros((HEIGHT, WIDTH), np.uint8)
        for twice, drift, parallax in self._layers:
            x = (camera[0] * parallax - drift[0] * time_s) % WIDTH
            y = (camera[1] * parallax - drift[1] * time_s) % HEIGHT
            centre = (x + (WIDTH - 1) / 2, y + (HEIGHT - 1) / 2)
            total = cv2.add(total, cv2.getRectSubPix(twice, (WIDTH, HEIGHT), centre))
        return cv2.merge([total] * 3)
