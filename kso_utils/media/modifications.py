"""What is done to the pictures of clips, as data: an ordered list of `{name: {parameter: value}}`.

The same list stands in TOML, in JSON, in the list of clips and in the metadata of subjects, so it is always known what
volunteers looked at.

`curves`
    `red`, `green`, `blue`: points `[[in, out], ...]` from 0 to 1. Maps the brightness of each channel along a smooth
    curve through its points; by default those that give red back to water.
`adjust`
    `contrast` 0 to 3 (1), `brightness` -1 to 1 (0), `saturation` 0 to 3 (1).
`denoise`
    `strength` 1 to 20 (4), `thorough` (false). A filter over space and time; a thorough one looks for like patches,
    which takes many times as long.
`blur`, `cover`
    `boxes`: `[[x, y, width, height], ...]` as shares of the picture. Blurs them, or paints them black; by default the
    top 15 % and the bottom 5 %, where cameras write.
`scale`
    `height`: pixels, even, 16 to 4320; or `longest`: so many at most on the longer side, which is never enlarged.
`speed`
    `factor` 0.05 to 100: how many times faster than filmed.
`compress`
    `crf` 0 to 51: x264's rate factor; `max_bytes` from 10000 on: the size that no clip exceeds, whatever the factor.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from kso_utils.media.safety import Filter

Modifications = Sequence[Mapping[str, Mapping[str, Any]]]
"""An ordered list of `{name: {parameter: value}}`."""

CRF = 22.5
"""x264's rate factor where none is asked for; `benchmarks/clips.py` shows what it costs and keeps."""

UNDERWATER = {
    "red": [[0, 0], [0.396, 0.67], [1, 1]],
    "green": [[0, 0], [0.525, 0.451], [1, 1]],
    "blue": [[0, 0], [0.459, 0.517], [1, 1]],
}
"""Curves that give back the red that water takes: those of earlier KSO releases."""

EDGES = [[0, 0, 1, 0.15], [0, 0.95, 1, 0.05]]
"""Where cameras write names, places and times into the picture."""

_ONCE = ("speed", "compress")
_Reader = Callable[[Any], Any]


def _number(low: float, high: float, step: int = 0) -> tuple[str, _Reader]:
    """Return what a number must be, and what reads one; with a `step`, a whole number that it divides."""
    wanted = f"a whole {'even ' * (step == 2)}number" if step else "a number"
    limits = f"from {low:g} on" if high == math.inf else f"from {low:g} to {high:g}"

    def read(value: Any) -> float | None:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        whole = not step or (fits and value == int(value) and value % step == 0)
        return (int(value) if step else value) if fits and whole else None

    return f"{wanted} {limits}", read


def _switch() -> tuple[str, _Reader]:
    return "true or false", lambda value: value if isinstance(value, bool) else None


def _rows(width: int) -> _Reader:
    def read(value: Any) -> list[list[float]] | None:
        share = _number(0, 1)[1]
        try:
            rows = [[share(number) for number in row] for row in value]
        except TypeError:
            return None
        whole = rows and all(len(row) == width and None not in row for row in rows)
        return [[float(number or 0) for number in row] for row in rows] if whole else None

    return read


def _points() -> tuple[str, _Reader]:
    def read(value: Any) -> list[list[float]] | None:
        rows = _rows(2)(value)
        rising = rows and all(a[0] < b[0] for a, b in pairwise(rows))
        return rows if rising else None

    return "points [[in, out], ...] from 0 to 1, the first numbers rising", read


def _boxes() -> tuple[str, _Reader]:
    def read(value: Any) -> list[list[float]] | None:
        rows = _rows(4)(value)
        inside = rows and all(min(w, h) > 0 and x + w <= 1 + 1e-9 and y + h <= 1 + 1e-9 for x, y, w, h in rows)
        return rows if inside else None

    return "boxes [[x, y, width, height], ...] as shares of the picture, inside it", read


# Name -> parameter -> (default, what it must be and what reads it); None has no default.
_KNOWN: dict[str, dict[str, tuple[Any, tuple[str, _Reader]]]] = {
    "curves": {channel: (points, _points()) for channel, points in UNDERWATER.items()},
    "adjust": {"contrast": (1, _number(0, 3)), "brightness": (0, _number(-1, 1)), "saturation": (1, _number(0, 3))},
    "denoise": {"strength": (4, _number(1, 20)), "thorough": (False, _switch())},
    "blur": {"boxes": (EDGES, _boxes())},
    "cover": {"boxes": (EDGES, _boxes())},
    "scale": {"height": (None, _number(16, 4320, 2)), "longest": (None, _number(16, 4320, 2))},
    "speed": {"factor": (None, _number(0.05, 100))},
    "compress": {"crf": (CRF, _number(0, 51)), "max_bytes": (None, _number(10_000, math.inf, 1))},
}


def complete_modifications(modifications: Modifications) -> list[dict[str, dict[str, Any]]]:
    """Return the modifications with every parameter that has a default filled in.

    Raises
    ------
    ConfigError
        If a name or parameter is unknown, a value is out of its range, one that is needed is missing, or `speed` or
        `compress` stands there twice.
    """
    whole = []
    for one in modifications:
        if not isinstance(one, Mapping) or len(one) != 1:
            raise ConfigError(f"{one!r} is no modification of clips. Give one as {{name: {{parameter: value}}}}.")
        ((name, values),) = one.items()
        if name not in _KNOWN:
            raise ConfigError(f"There is no modification {name!r} of clips. Choose from {', '.join(_KNOWN)}.")
        whole.append({name: _complete(name, values)})
    names = [name for one in whole for name in one]
    for name in _ONCE:
        if names.count(name) > 1:
            raise ConfigError(f"The modification {name} stands there {names.count(name)} times. Give it once.")
    return whole


def _complete(name: str, values: Any) -> dict[str, Any]:
    known = _KNOWN[name]
    if not isinstance(values, Mapping) or set(values) - set(known):
        raise ConfigError(f"The modification {name} cannot be {values!r}. Its parameters are {', '.join(known)}.")
    filled = {}
    for parameter, (default, (wanted, read)) in known.items():
        value = values.get(parameter, default)
        if value is None:
            continue
        filled[parameter] = read(value)
        if filled[parameter] is None:
            raise ConfigError(f"The modification {name} cannot have the {parameter} {value!r}. Give {wanted}.")
    if (name == "scale" and len(filled) != 1) or (name == "speed" and not filled):
        choice = "either height or longest" if name == "scale" else "a factor"
        raise ConfigError(f"The modification {name} needs {choice}.")
    return filled


def read_modifications(texts: Sequence[str]) -> list[dict[str, dict[str, Any]]]:
    """Return the modifications that texts name, in their order, complete.

    Parameters
    ----------
    texts
        Each `name` or `name:parameter=value,...` with values as in TOML (`scale:height=720`), or a TOML file
        (`*.toml`) with a list `modifications`.

    Raises
    ------
    ConfigError
        If a text is neither, or as `complete_modifications`.
    NotFound
        If there is no such file.
    """
    found: list[Any] = []
    for text in texts:
        if text.endswith(".toml"):
            found += _load(Path(text))
            continue
        name, _, values = text.partition(":")
        found.append({name: _parse(f"values = {{ {values} }}", text)["values"]})
    return complete_modifications(found)


def _load(path: Path) -> list[Any]:
    try:
        values = _parse(path.read_text(encoding="utf-8-sig"), str(path))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound(f"There is no file {path} with modifications.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not a UTF-8 text file. Save it as UTF-8.") from error
    if set(values) != {"modifications"} or not isinstance(values["modifications"], list):
        raise ConfigError(f"{path} must hold one list: modifications = [{{ curves = {{}} }}, ...].")
    return values["modifications"]


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The modification {source} cannot be read: {error}.") from error


def parameters_of(modifications: Modifications, name: str) -> Mapping[str, Any]:
    """Return the parameters of the first modification of that name, nothing where there is none."""
    return next((one[name] for one in modifications if name in one), {})


def speed_of(modifications: Modifications) -> Fraction:
    """Return how many times faster than filmed a clip is shown, exact to a thousandth."""
    return Fraction(str(parameters_of(modifications, "speed").get("factor", 1))).limit_denominator(1000)


def limit_bytes(modifications: Modifications, max_bytes: int) -> list[Mapping[str, Mapping[str, Any]]]:
    """Return the modifications with `compress` at most that large, whatever else it says."""
    others = [one for one in modifications if "compress" not in one]
    return [*others, {"compress": {**parameters_of(modifications, "compress"), "max_bytes": max_bytes}}]


def describe_modifications(modifications: Modifications) -> dict[str, Any] | None:
    """Return what the column `modification` of a subject says: `steps`, and `speed` where it is not 1; None for none.

    Times that volunteers give are seconds of the clip; `speed` makes them seconds of the movie.
    """
    steps, speed = complete_modifications(modifications), speed_of(modifications)
    if not steps:
        return None
    return {"steps": steps} | ({"speed": float(speed)} if speed != 1 else {})


def picture_filters(modifications: Modifications) -> list[Filter]:
    """Return ffmpeg's filters of complete modifications, in their order; `speed` only leaves out frames."""
    return [step for one in modifications for name, values in one.items() for step in _filters(name, values)]


def _filters(name: str, values: Mapping[str, Any]) -> list[Filter]:
    if name == "curves":
        curves = {c: " ".join(f"{x:g}/{y:g}" for x, y in points) for c, points in values.items()}
        return [("curves", curves)]
    if name == "adjust":
        return [("eq", dict(values))]
    if name == "denoise":
        strength = values["strength"]
        return [("nlmeans", {"s": strength}) if values["thorough"] else ("hqdn3d", {"luma_spatial": strength})]
    if name == "blur":
        return [_blur(box) for box in values["boxes"]]
    if name == "cover":
        return [("drawbox", {**_edges(box, "iw", "ih"), "color": "black", "t": "fill"}) for box in values["boxes"]]
    if name == "scale":
        longest = values.get("longest")
        across = {"w": f"if(gte(iw,ih),min(iw,{longest}),-2)", "h": f"if(gte(iw,ih),-2,min(ih,{longest}))"}
        return [("scale", across if longest else {"w": -2, "h": values["height"]})]
    if name == "speed":
        return _thin(speed_of([{name: values}]))
    return []


def _thin(speed: Fraction) -> list[Filter]:
    """Return the filter that keeps the frames floor(k * speed), k = 0, 1, ...: those n that are such a frame."""
    p, q = speed.as_integer_ratio()
    return [("select", {"expr": f"lt(ceil(n*{q}/{p})*{p},(n+1)*{q})"})] if p > q else []


def _edges(box: Sequence[float], wide: str, high: str) -> dict[str, str]:
    """Return a box in even pixels, never smaller than asked, as expressions over the picture's `wide` and `high`."""
    x, y, width, height = box

    def low(share: float, side: str) -> str:
        return f"floor({share:.9f}*{side}/2+1e-6)*2"

    def extent(share: float, length: float, side: str) -> str:
        return f"min({side},ceil({share + length:.9f}*{side}/2-1e-6)*2)-{low(share, side)}"

    return {"x": low(x, wide), "y": low(y, high), "w": extent(x, width, wide), "h": extent(y, height, high)}


def _blur(box: Sequence[float]) -> Filter:
    """Return the filter that lays a blurred copy of a box over it; what is under it cannot be read any more."""
    part = [
        ("crop", {**_edges(box, "iw", "ih"), "exact": 1}),
        ("boxblur", {"lr": "min(w,h)/3", "lp": 3, "cr": "min(cw,ch)/3", "cp": 3}),
    ]
    place = _edges(box, "main_w", "main_h")
    return "overlay", {"x": place["x"], "y": place["y"]}, part
