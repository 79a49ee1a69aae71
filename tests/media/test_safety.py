import os
import signal
import subprocess
import sys
import time

import pytest

from kso_utils.core.errors import (
    ConfigError,
    MediaCorrupt,
    MediaError,
    MediaTimeout,
    MediaUnsupported,
    NotFound,
)
from kso_utils.media import safety
from kso_utils.media.frames import read_frames
from kso_utils.media.movie import probe
from kso_utils.media.safety import find_ffmpeg, open_movie, run_ffmpeg

from .conftest import ffmpeg

COPY = {"c": "copy", "f": "mp4"}


def program(tmp_path, text):
    path = tmp_path / "fake-ffmpeg"
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)
    return str(path)


def lists(tmp_path, secret):
    """Texts that name another movie, called movies themselves."""
    texts = {
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:4,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "hls_relative.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:4,\nsecret.ts\n#EXT-X-ENDLIST\n",
        "concat.mp4": "ffconcat version 1.0\nfile secret.ts\n",
        "dash.mp4": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        f"<Period><AdaptationSet><Representation><BaseURL>{secret}</BaseURL></Representation></AdaptationSet>"
        "</Period></MPD>",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.write_text(text)
        yield path


@pytest.fixture
def secret(make, tmp_path):
    path = tmp_path / "secret.ts"
    path.write_bytes(make("transport").read_bytes())
    return path


def test_lists_that_name_other_files_are_not_followed(tmp_path, secret):
    for path in lists(tmp_path, secret):
        for look in (probe, lambda p: list(read_frames(p))):
            with pytest.raises((MediaCorrupt, MediaUnsupported)):
                look(path)


def test_ffmpeg_does_not_follow_them_either(tmp_path, secret):
    for path in lists(tmp_path, secret):
        with pytest.raises(MediaError, match="ffmpeg could not"):
            run_ffmpeg(path, tmp_path / "out.mp4", output_options={"f": "mp4"})
    assert not (tmp_path / "out.mp4").exists()


def test_without_the_guard_the_list_would_be_followed(tmp_path, secret):
    path = next(lists(tmp_path, secret))
    done = subprocess.run(
        [find_ffmpeg(), "-v", "error", "-extension_picky", "0", "-f", "hls", "-i", str(path), "-f", "null", "-"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    "name",
    [
        "-y.mp4",
        "2020-01-01T10:00:00.mp4",
        "50%d.mp4",
        'it\'s "it".mp4',
        "a\nb.mp4",
        "åäö 鱼.mp4",
        "pipe:0.mp4",
        "a;b&c.mp4",
    ],
)
def test_any_file_name_works(make, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / name
    source.write_bytes(make("closed").read_bytes())
    assert probe(source).frames == probe(name).frames == 100
    target = tmp_path / "out" / name
    run_ffmpeg(source, target, output_options=COPY)
    assert probe(target).frames == 100


def test_bad_options_leave_what_was_there(movie, tmp_path):
    target = tmp_path / "out.mp4"
    target.write_text("before")
    with pytest.raises(MediaError, match="could not work on"):
        run_ffmpeg(movie, target, output_options={"c:v": "no_such_codec"})
    assert target.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["movie.mp4", "out.mp4"]


def test_a_process_that_hangs_is_killed_with_its_children(movie, tmp_path, monkeypatch):
    pids = tmp_path / "pids"
    hang = (
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(60)"
    )
    monkeypatch.setenv("KSO_FFMPEG", program(tmp_path, hang))
    with pytest.raises(MediaTimeout, match="stopped after 2 s"):
        run_ffmpeg(movie, tmp_path / "out.mp4", timeout_s=2)
    time.sleep(0.2)
    for pid in pids.read_text().split():
        assert not _runs(int(pid))


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as handle:
            return handle.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set on Linux only")
def test_memory_is_limited(movie, tmp_path, monkeypatch):
    greedy = "import time\ntime.sleep(0.5)\nx = bytearray(200 * 2**20)"
    monkeypatch.setattr(safety, "_MEMORY_BYTES", 150 * 2**20)
    monkeypatch.setenv("KSO_FFMPEG", program(tmp_path, greedy))
    with pytest.raises(MediaError, match="MemoryError"):
        run_ffmpeg(movie, tmp_path / "out.mp4")


def test_the_end_of_what_ffmpeg_said_is_told(movie, tmp_path, monkeypatch):
    chatty = "import sys\nfor k in range(100000): print('line', k, file=sys.stderr)\nsys.exit(3)"
    monkeypatch.setenv("KSO_FFMPEG", program(tmp_path, chatty))
    with pytest.raises(MediaError, match=r"line 99997 / line 99998 / line 99999$"):
        run_ffmpeg(movie, tmp_path / "out.mp4")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
@pytest.mark.parametrize(
    ("name", "said"), [("SIGKILL", "most likely the machine ran out of memory"), ("SIGSEGV", "was ended by SIGSEGV")]
)
def test_the_end_by_a_signal_is_told(movie, tmp_path, monkeypatch, name, said):
    monkeypatch.setenv("KSO_FFMPEG", program(tmp_path, f"import os, signal\nos.kill(os.getpid(), signal.{name})"))
    with pytest.raises(MediaError, match=said):
        run_ffmpeg(movie, tmp_path / "out.mp4")


def test_a_full_disk_is_an_error_of_the_system(movie, tmp_path, monkeypatch):
    full = "import os, sys\nprint(os.strerror(28), file=sys.stderr)\nsys.exit(228)"
    monkeypatch.setenv("KSO_FFMPEG", program(tmp_path, full))
    with pytest.raises(OSError, match="No space left") as caught:
        run_ffmpeg(movie, tmp_path / "out.mp4")
    assert (caught.value.errno, caught.value.filename) == (28, str(tmp_path / "out.mp4"))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_a_file_that_grows_too_large_is_an_error_of_the_system(movie, tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            run_ffmpeg(movie, tmp_path / "out.mp4", output_options=COPY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["movie.mp4"]


def test_frames_are_told_while_they_are_made(movie, tmp_path, monkeypatch):
    slow = (
        "import sys, time\n"
        "told = sys.argv[sys.argv.index('-progress') + 1].removeprefix('file:')\n"
        "for frame in (7, 20, 20):\n"
        "    with open(told, 'a') as out: print(f'fps=3\\nframe={frame}\\nprogress=continue', file=out)\n"
        "    time.sleep(0.3)\n"
        "open([a for a in sys.argv if a.endswith('.part.mp4')][0].removeprefix('file:'), 'w').write('made')"
    )
    monkeypatch.setenv("KSO_FFMPEG", program(tmp_path, slow))
    monkeypatch.setattr(safety, "_TOLD_EVERY_S", 0.05)
    told = []
    run_ffmpeg(movie, tmp_path / "out.mp4", advance=told.append)
    assert told == [7, 13]


def test_sound_is_dropped_unless_it_is_asked_for(make, tmp_path):
    from .conftest import ffmpeg

    sounding = tmp_path / "sounding.mp4"
    ffmpeg("-i", str(make("closed")), "-f", "lavfi", "-i", "sine=d=1", "-c:v", "copy", str(sounding))
    for number, (filters, kept) in enumerate([(None, False), ([], True), ([("volume", {"volume": 0.5})], True)]):
        target = tmp_path / f"{number}.mp4"
        run_ffmpeg(sounding, target, sound_filters=filters, output_options={"c:v": "copy", "f": "mp4"})
        assert probe(target).has_audio is kept


def test_the_program_is_the_named_one(tmp_path, monkeypatch):
    monkeypatch.setenv("KSO_FFMPEG", program(tmp_path, ""))
    assert find_ffmpeg() == str(tmp_path / "fake-ffmpeg")


def test_a_named_program_must_exist(monkeypatch):
    monkeypatch.setenv("KSO_FFMPEG", "/nowhere/ffmpeg")
    with pytest.raises(ConfigError, match="/nowhere/ffmpeg"):
        find_ffmpeg()


def test_the_one_on_path_comes_before_the_bundled_one(tmp_path, monkeypatch):
    monkeypatch.delenv("KSO_FFMPEG", raising=False)
    os.rename(program(tmp_path, ""), tmp_path / "ffmpeg")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg() == str(tmp_path / "ffmpeg")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert "imageio" in find_ffmpeg()


def test_missing_and_empty_sources_are_said(tmp_path):
    with pytest.raises(NotFound, match="no movie"):
        run_ffmpeg(tmp_path / "none.mp4", tmp_path / "out.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(MediaCorrupt, match="empty"):
        run_ffmpeg(tmp_path / "empty.mp4", tmp_path / "out.mp4")


def test_sound_alone_is_no_movie(tmp_path):
    from .conftest import ffmpeg

    ffmpeg("-f", "lavfi", "-i", "sine=d=1", str(tmp_path / "sound.mp4"))
    with pytest.raises(MediaUnsupported, match="no video"), open_movie(tmp_path / "sound.mp4"):
        pass


def test_a_picture_is_no_movie(tmp_path):
    from .conftest import ffmpeg

    ffmpeg("-f", "lavfi", "-i", "testsrc2", "-frames:v", "1", "-f", "image2", str(tmp_path / "a.jpg"))
    (tmp_path / "a.jpg").rename(tmp_path / "a.mp4")
    with pytest.raises((MediaUnsupported, MediaCorrupt)), open_movie(tmp_path / "a.mp4"):
        pass


def test_an_interrupt_leaves_no_process(movie, tmp_path, monkeypatch):
    started = []
    popen = subprocess.Popen

    monkeypatch.setenv("KSO_FFMPEG", program(tmp_path, "import time\ntime.sleep(60)"))
    monkeypatch.setattr(safety, "_limit_memory", lambda pid: os.kill(os.getpid(), signal.SIGINT))
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    with pytest.raises(KeyboardInterrupt):
        run_ffmpeg(movie, tmp_path / "out.mp4")
    assert started[0].poll() is not None


def test_the_cover_of_a_recording_is_no_movie(make, tmp_path):
    cover, recording = tmp_path / "cover.png", tmp_path / "song.m4a"
    ffmpeg("-i", str(make("closed")), "-frames:v", "1", str(cover))
    picture = ["-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v:0", "attached_pic"]
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-i", str(cover), *picture, str(recording))
    with pytest.raises(MediaUnsupported, match="no video"), open_movie(recording):
        pass
