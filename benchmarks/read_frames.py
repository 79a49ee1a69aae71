"""`read_frames` against a linear decode with PyAV that converts the wanted frames only, at several strides.

Each figure is the time of `read_frames`, its index included, over that of the linear decode: the median of five
pairs measured in turn, by the clock and (`_cpu`) by the work of all threads. Both must give the same pixels.
"""

import statistics
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import av

from kso_utils.media import index
from kso_utils.media.frames import read_frames
from kso_utils.media.safety import run_ffmpeg

STRIDES = (1, 2, 10, 100)
REPEATS = 5
MOUSE = Path(__file__).resolve().parents[2] / "shared" / "data" / "movies" / "tracktor_mouse_640x480_h264_333s.mp4"


def read_linear(path: Path, stride: int) -> Iterator[tuple[int, object]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for number, frame in enumerate(container.decode(stream)):
            if number % stride == 0:
                yield number, frame.to_ndarray(format="rgb24")


def read_planned(path: Path, stride: int, frames: int) -> Iterator[tuple[int, object]]:
    index._load.cache_clear()
    for number, _, picture in read_frames(path, range(0, frames, stride)):
        yield number, picture


def drain(frames: Iterator[tuple[int, object]]) -> tuple[float, float]:
    start, start_cpu = time.perf_counter(), time.process_time()
    for _ in frames:
        pass
    return time.perf_counter() - start, time.process_time() - start_cpu


def checksums(frames: Iterator[tuple[int, object]]) -> list[tuple[int, int]]:
    return [(number, zlib.crc32(picture)) for number, picture in frames]


def compare(path: Path, stride: int) -> tuple[float, float]:
    frames = len(index.load_index(path))
    assert checksums(read_linear(path, stride)) == checksums(read_planned(path, stride, frames))
    ratios = []
    for _ in range(REPEATS):
        linear, linear_cpu = drain(read_linear(path, stride))
        planned, planned_cpu = drain(read_planned(path, stride, frames))
        ratios.append((planned / linear, planned_cpu / linear_cpu))
    wall, cpu = (round(statistics.median(column), 3) for column in zip(*ratios, strict=True))
    return wall, cpu


def generate(folder: Path, gop: int) -> Path:
    """Encode a minute of 640x360 at 25 frames per second from a seed movie that ffmpeg loops."""
    seed = folder / "seed.mp4"
    if not seed.exists():
        from kso_utils.media.encoding import write_movie

        write_movie(seed, scene(), 25)
    path = folder / f"gop_{gop}.mp4"
    loop = {"stream_loop": -1, "t": 60}
    run_ffmpeg(seed, path, input_options=loop, output_options={"c:v": "libx264", "g": gop, "preset": "veryfast"})
    return path


def scene() -> Iterator[object]:
    import numpy as np

    rng = np.random.default_rng(0)
    background = rng.integers(0, 255, (400, 700, 3), dtype=np.uint8)
    background = (background // 4 + np.linspace(0, 150, 400).astype(np.uint8)[:, None, None]).astype(np.uint8)
    for k in range(125):
        shift = abs(60 - k) // 2
        picture = background[shift // 2 : shift // 2 + 360, shift : shift + 640].copy()
        picture[150:210, 4 * k : 4 * k + 90] = (220, 160, 40)
        yield picture


def main() -> dict[str, float]:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        movies = {f"gop_{gop}": generate(Path(folder), gop) for gop in (250, 25)}
        if MOUSE.exists():
            movies["mouse"] = MOUSE
        for name, path in movies.items():
            for stride in STRIDES:
                wall, cpu = compare(path, stride)
                print(f"{name:8} stride {stride:4}: {wall:.3f} x a linear decode by the clock, {cpu:.3f} x its work")
                figures |= {f"{name}_stride_{stride}": wall, f"{name}_stride_{stride}_cpu": cpu}
    return figures
