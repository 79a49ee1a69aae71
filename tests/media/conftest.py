import shutil
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av")

from kso_utils.media.safety import find_ffmpeg  # noqa: E402

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "movies"

X264 = "-c:v libx264 -preset veryfast -bf 3 -g 25"
# The group is a multiple of the distance between P frames, so that B frames lead each key frame.
OPEN = "open-gop=1:b-adapt=0:scenecut=0:keyint=24:min-keyint=24"
UNEVEN = "settb=1/1000,setpts='N*40+20*gt(mod(N\\,5)\\,2)+90*gt(N\\,60)'"

# What ffmpeg gets for each kind of movie, and the file's ending. 100 frames of 160x120 unless said otherwise.
KINDS = {
    "closed": (f"-r 25 {X264}", "mp4"),
    "open": (f"-r 25 {X264} -x264-params {OPEN}", "mp4"),
    "variable": (f"-vf {UNEVEN} -fps_mode passthrough -enc_time_base 1/1000 {X264}", "mp4"),
    "ntsc": (f"-r 30000/1001 {X264}", "mp4"),
    "hevc": (f"-r 25 -c:v libx265 -preset ultrafast -x265-params log-level=0:bframes=3:{OPEN}", "mp4"),
    "refresh": (f"-r 25 {X264} -x264-params intra-refresh=1", "mp4"),
    "prores": ("-r 25 -c:v prores_ks -profile:v 1", "mov"),
    "mjpeg": ("-r 25 -c:v mjpeg -q:v 4", "mov"),
    "full": (f"-vf scale=out_range=pc,format=yuv420p -color_range pc -r 25 {X264}", "mp4"),
    "late": (f"-r 25 {X264} -output_ts_offset 0.5", "mov"),
    "matroska": (f"-r 30000/1001 {X264}", "mkv"),
    "transport": (f"-r 25 {X264} -x264-params {OPEN}", "ts"),
    "avi_b": (f"-r 25 {X264}", "avi"),
    "avi": ("-r 25 -c:v mjpeg", "avi"),
    "mpeg2": ("-r 25 -c:v mpeg2video -bf 2 -g 12", "mpg"),
}

# Further kinds of MOV and MP4, as `KINDS`.
BOXED = {
    "dnxhd": ("-r 25 -vf scale=320:180 -c:v dnxhd -profile:v dnxhr_lb -frames:v 20", "mov"),
    "negative": (f"-r 25 {X264} -movflags negative_cts_offsets", "mp4"),
    "front": (f"-r 25 {X264} -movflags +faststart", "mp4"),
    "front_prores": ("-r 30000/1001 -c:v prores_ks -movflags +faststart", "mov"),
    "fragments": (f"-r 25 {X264} -movflags frag_keyframe+empty_moov", "mp4"),
}


def ffmpeg(*arguments):
    subprocess.run([find_ffmpeg(), "-nostdin", "-v", "error", "-y", *arguments], check=True, timeout=60)


@pytest.fixture(scope="session")
def make(tmp_path_factory):
    """Return a function that makes a movie of a kind, once."""
    folder = tmp_path_factory.mktemp("movies")

    def make_movie(kind):
        if kind.startswith("edited"):
            whole = make_movie(kind.partition("_")[2] or "closed")
            path = folder / f"{kind}{whole.suffix}"
            if not path.exists():
                ffmpeg("-ss", "1.3", "-i", str(whole), "-c", "copy", str(path))
            return path
        if kind == "sounding":
            path = folder / "sounding.ts"
            if not path.exists():
                sound = ["-f", "lavfi", "-i", "sine=duration=4"]
                ffmpeg("-itsoffset", "0.5", "-i", str(make_movie("transport")), *sound, "-c:v", "copy", str(path))
            return path
        options, ending = (KINDS | BOXED)[kind]
        path = folder / f"{kind}.{ending}"
        if not path.exists():
            source = "testsrc2=size=160x120:rate=25,noise=alls=20:allf=t"
            ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "100", *options.replace("'", "").split(), str(path))
        return path

    return make_movie


@pytest.fixture
def movie(make, tmp_path):
    """A movie that a test may harm."""
    return Path(shutil.copy(make("closed"), tmp_path / "movie.mp4"))


@pytest.fixture(autouse=True)
def _forget_indexes():
    from kso_utils.media import index, ranges

    index._load.cache_clear()
    ranges._find.cache_clear()


def decode_all(path, pixels="rgb24"):
    """Decode a movie from its start with PyAV alone: times since the first frame, and pictures."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        frames = [(frame.pts * frame.time_base, frame.to_ndarray(format=pixels)) for frame in container.decode(stream)]
    return np.array([float(t - frames[0][0]) for t, _ in frames]), [picture for _, picture in frames]


def checksums(pictures):
    return [zlib.crc32(np.ascontiguousarray(p)) for p in pictures]
