import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("av")

from kso_utils.core.errors import ConfigError, MediaCorrupt, MediaError, MediaUnsupported, NotFound
from kso_utils.media.audio import probe_audio, read_audio
from kso_utils.testing.range_server import serve_ranges

from .conftest import ffmpeg

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "audio"
RATE = 22_050

# What ffmpeg gets for each kind of recording of 1.5 s in two channels, and the file's ending.
KINDS = {
    "pcm8": ("-c:a pcm_u8", "wav"),
    "pcm16": ("-c:a pcm_s16le", "wav"),
    "pcm24": ("-c:a pcm_s24le", "wav"),
    "float": ("-c:a pcm_f32le", "wav"),
    "rf64": ("-c:a pcm_s16le -rf64 always", "wav"),
    "aiff": ("-c:a pcm_s16be", "aiff"),
    "flac": ("-c:a flac", "flac"),
    "mp3": ("-c:a libmp3lame", "mp3"),
    "aac": ("-c:a aac", "m4a"),
    "vorbis": ("-c:a libvorbis", "ogg"),
    "matroska": ("-c:a aac", "mkv"),
}
LOSSLESS = ("pcm16", "pcm24", "float", "rf64", "aiff", "flac")


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Return a function that makes a recording of a kind, once."""
    folder = tmp_path_factory.mktemp("recordings")

    def make(kind):
        options, ending = KINDS[kind]
        path = folder / f"{kind}.{ending}"
        if not path.exists():
            noise = f"anoisesrc=d=1.5:r={RATE}:seed=1:a=0.4,aformat=sample_fmts=s16:channel_layouts=stereo"
            ffmpeg("-f", "lavfi", "-i", noise, *options.split(), str(path))
        return path

    return make


@pytest.fixture(scope="module")
def samples(record):
    """What the recordings hold, read with the standard library."""
    with wave.open(str(record("pcm16"))) as handle:
        values = np.frombuffer(handle.readframes(handle.getnframes()), "<i2")
    return values.reshape(-1, 2).T / np.float32(32768)


def read_whole(path, **options):
    return np.concatenate([part for _, part in read_audio(path, **options)], axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_recording_is(record, samples, kind):
    info = probe_audio(record(kind))
    assert (info.rate_hz, info.channels) == (RATE, 2)
    # Coders of music fill up their last packet; only MP4 and FLAC-like containers say by how much.
    assert samples.shape[1] <= info.samples <= samples.shape[1] + (2048 if kind == "matroska" else 0)
    assert info.duration_s == info.samples / RATE


@pytest.mark.parametrize("kind", LOSSLESS)
def test_sound_that_was_not_compressed_is_exact(record, samples, kind):
    whole = read_whole(record(kind))
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole, samples)


def test_eight_bits_are_centred(record, samples):
    assert np.abs(read_whole(record("pcm8")) - samples).max() < 1 / 64


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_is_the_same_wherever_reading_began(record, kind):
    path = record(kind)
    whole = read_whole(path)
    for start, stop in ((0, 1), (4095, 4097), (20_001, 31_000), (whole.shape[1] - 7, whole.shape[1])):
        np.testing.assert_array_equal(read_whole(path, start=start, stop=stop), whole[:, start:stop])


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_blocks_tile_the_part_that_was_asked_for(record, samples, data):
    start = data.draw(st.integers(0, samples.shape[1]))
    stop = data.draw(st.integers(start, samples.shape[1]))
    block = data.draw(st.integers(500, 50_000))
    parts = list(read_audio(record("flac"), start, stop, block=block))
    assert [first for first, _ in parts] == list(range(start, stop, block))
    assert all(part.shape[1] == block for _, part in parts[:-1])
    whole = np.concatenate([part for _, part in parts], axis=1) if parts else samples[:, :0]
    np.testing.assert_array_equal(whole, samples[:, start:stop])


def test_blocks_do_not_share_memory(record):
    parts = [part for _, part in read_audio(record("pcm16"), block=1000)]
    first = parts[0].copy()
    parts[1][:] = 0
    np.testing.assert_array_equal(parts[0], first)


def test_the_sound_of_a_movie(record, samples, tmp_path):
    movie = tmp_path / "loud.mov"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=d=1.5", "-i", str(record("pcm16")), "-c:a", "copy", str(movie))
    np.testing.assert_array_equal(read_whole(movie), samples)


@pytest.mark.parametrize("kind", ["pcm16", "flac", "aac"])
def test_a_recording_on_a_web_server_is_the_same(record, kind):
    path = record(kind)
    with serve_ranges(path.parent) as server:
        np.testing.assert_array_equal(read_whole(server.address(path.name), start=5000), read_whole(path, start=5000))


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="needs the shared recordings")
@pytest.mark.parametrize(
    ("name", "rate", "seconds"), [("spinetail.wav", 44_100, 19.542), ("S4A03895_20190522_000000.wav", 22_000, 10)]
)
def test_recordings_from_the_field(name, rate, seconds):
    info = probe_audio(RECORDINGS / name)
    assert info.rate_hz == rate
    assert info.duration_s == pytest.approx(seconds, abs=0.001)
    with wave.open(str(RECORDINGS / name)) as handle:
        values = np.frombuffer(handle.readframes(handle.getnframes()), "<i2").reshape(-1, handle.getnchannels()).T
    np.testing.assert_array_equal(read_whole(RECORDINGS / name), values / np.float32(32768))


@pytest.mark.parametrize("kind", ["pcm16", "rf64", "aiff", "flac", "aac", "vorbis"])
def test_a_recording_that_ends_too_early_is_refused(record, tmp_path, kind):
    data = record(kind).read_bytes()
    cut = tmp_path / f"cut.{KINDS[kind][1]}"
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaCorrupt, match="cut"):
        read_whole(cut)


def test_a_recording_that_was_never_finished_is_refused(record, tmp_path):
    data = bytearray(record("pcm16").read_bytes())
    data[4:8] = bytes(4)
    (tmp_path / "open.wav").write_bytes(data)
    with pytest.raises(MediaCorrupt, match="never finished"):
        probe_audio(tmp_path / "open.wav")


def test_a_hole_in_the_sound_is_told(record, tmp_path):
    holed = tmp_path / "holed.mkv"
    ffmpeg("-i", str(record("pcm16")), "-af", "aselect='not(between(t,0.4,0.9))'", "-c:a", "pcm_s16le", str(holed))
    with pytest.raises(MediaCorrupt, match="hole"):
        read_whole(holed)


@pytest.mark.parametrize("content", [b"hello", b"RIFF\x10\x00\x00\x00WAVEfmt ", bytes(5000)])
def test_what_is_no_recording_is_said_in_a_sentence(tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises((MediaCorrupt, MediaUnsupported), match=r"a\.wav"):
        probe_audio(tmp_path / "a.wav")


def test_a_movie_without_sound_is_said(movie):
    with pytest.raises(MediaUnsupported, match="no sound"):
        probe_audio(movie)


def test_a_missing_recording_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        probe_audio(tmp_path / "none.wav")


@pytest.mark.parametrize(("start", "stop"), [(-1, 10), (10, 5), (0, 10**9)])
def test_a_part_outside_the_recording_is_refused(record, start, stop):
    with pytest.raises(MediaError, match="samples"):
        read_audio(record("pcm16"), start, stop)


def test_a_block_has_samples(record):
    with pytest.raises(ConfigError, match="at least a sample"):
        read_audio(record("pcm16"), block=0)
