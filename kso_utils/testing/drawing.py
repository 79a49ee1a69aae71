"""Brushes for generated footage: curves, textures and layers of colour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

try:
    import cv2
except ImportError as error:
    raise MissingExtra("cv2", "media") from error

Image = Any  # float32 or uint8 pixels, (height, width, channels); cv2 has no usable types

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def smooth_curve(points: ArrayLike, closed: bool = True, steps: int = 8) -> NDArray[np.float64]:
    """Return a Catmull-Rom spline through `points` (n, 2), with `steps` points a span."""
    p = np.asarray(points, float)
    p = np.vstack([p[-1:], p, p[:2]]) if closed else np.vstack([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None, :] for i in range(4))
    spans = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    curve: NDArray[np.float64] = spans.reshape(-1, 2)
    return curve if closed else np.vstack([curve, p[-1:]])


def cloud(shape: tuple[int, int], rng: np.random.Generator, roughness: float = 1.0) -> NDArray[np.float32]:
    """Return tileable fractal noise with mean 0 and standard deviation 1.

    Parameters
    ----------
    shape
        Height and width in pixels.
    rng
        The source of randomness.
    roughness
        The amplitude spectrum falls as frequency to the power `-1 / roughness`.
    """
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    fall = np.maximum(np.hypot(fy, fx), 1.0 / max(shape)) ** (-1.0 / roughness)
    fall[0, 0] = 0
    field_ = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * fall, shape)
    return (field_ / field_.std()).astype(np.float32)


def mix(a: Image, b: Image, share: Image) -> Image:
    """Return `a` where `share` is 0 and `b` where it is 1."""
    return a + (b - a) * share


def ramp(values: Image, low: float, high: float) -> Image:
    """Return a smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


@dataclass
class Canvas:
    """A transparent picture in units of the animal: x and y in [-1, 1] around the centre, y upwards.

    `unit` is the number of pixels of one unit. Colours are premultiplied by `alpha`.
    """

    width: int
    height: int
    unit: float
    colour: Image = field(init=False)
    alpha: Image = field(init=False)

    def __post_init__(self) -> None:
        """Start with nothing on the canvas."""
        self.colour = np.zeros((self.height, self.width, 3), np.float32)
        self.alpha = np.zeros((self.height, self.width), np.float32)

    def grid(self) -> tuple[Image, Image]:
        """Return x and y of every pixel."""
        x = (np.arange(self.width, dtype=np.float32) - self.width / 2) / self.unit
        y = (self.height / 2 - np.arange(self.height, dtype=np.float32)) / self.unit
        return np.broadcast_to(x, (self.height, self.width)), np.broadcast_to(y[:, None], (self.height, self.width))

    def _pixels(self, points: ArrayLike) -> Image:
        p = np.asarray(points, float) * [self.unit, -self.unit] + [self.width / 2, self.height / 2]
        return np.round(p * 16).astype(np.int32)

    def shape(self, points: ArrayLike) -> Image:
        """Return the coverage (0 to 1) of a filled polygon."""
        mask = np.zeros((self.height, self.width), np.uint8)
        cv2.fillPoly(mask, [self._pixels(points)], 255, cv2.LINE_AA, 4)
        return mask.astype(np.float32) / 255

    def stroke(self, points: ArrayLike, widths: Sequence[float]) -> Image:
        """Return the coverage of a line whose width changes evenly from `widths[0]` to `widths[-1]`."""
        p = np.asarray(points, float)
        w = np.interp(np.linspace(0, 1, len(p)), np.linspace(0, 1, len(widths)), widths)[:, None] / 2
        along = np.gradient(p, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.linalg.norm(along, axis=1)[:, None], 1e-9)
        return self.shape(np.vstack([p + normal * w, (p - normal * w)[::-1]]))

    def dot(self, x: float, y: float, rx: float, ry: float) -> Image:
        """Return the coverage of an ellipse with soft edges."""
        gx, gy = self.grid()
        r = np.hypot((gx - x) / rx, (gy - y) / ry)
        edge = 1.0 / (self.unit * min(rx, ry))
        return np.clip((1 - r) / edge + 0.5, 0, 1)

    def paint(self, mask: Image, colour: ArrayLike, opacity: float = 1.0) -> None:
        """Lay `colour` (one, or one a pixel; 0 to 255) over the canvas where `mask` is."""
        cover = (mask * opacity)[..., None]
        self.colour = self.colour * (1 - cover) + np.asarray(colour, np.float32) * cover
        self.alpha = self.alpha * (1 - cover[..., 0]) + cover[..., 0]

    def shade(self, factor: Image) -> None:
        """Multiply the brightness of what is there."""
        self.colour = self.colour * factor[..., None]

    def rgba(self) -> Image:
        """Return the canvas as (height, width, 4) float32: premultiplied colour, and alpha times 255."""
        return np.dstack([np.clip(self.colour, 0, 255), self.alpha * 255]).astype(np.float32)
