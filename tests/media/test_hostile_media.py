import contextlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kso_utils import media
from kso_utils.core.errors import KsoError
from kso_utils.core.paths import to_text
from kso_utils.media.checks import check_movie
from kso_utils.media.survey import survey_footage
from kso_utils.testing.hostile_names import HOSTILE_NAMES, OUTSIDE_NAMES, place_file

from .trial import WAYS

# Functions that take a movie of any name; a survey takes a folder of them, the others no movie without sound.
ON_MOVIES = [way for way in WAYS if way not in ("survey_footage", "probe_audio", "read_audio", "open_stack")]
SOME = ("probe", "check_movie", "sample_frames")


@pytest.fixture
def short(tmp_path):
    """A movie of ten frames."""
    import numpy as np

    rng = np.random.default_rng(0)
    media.write_movie(tmp_path / "short.mp4", (rng.integers(0, 255, (96, 128, 3), np.uint8) for _ in range(10)), 25)
    return tmp_path / "short.mp4"


def outcomes(way, files, folder):
    """Return what became of each file: `worked`, or a sentence."""
    found = {}
    for number, file in enumerate(files):
        out = folder / str(number)
        out.mkdir(parents=True)
        try:
            found[file.name] = WAYS[way](file, out)
        except KsoError as error:
            found[file.name] = str(error)
    return found


def place_all(short, folder):
    folder.mkdir()
    placed = [place_file(short, folder, name) for name in HOSTILE_NAMES.values()]
    return [path for path in placed if path is not None]


@pytest.mark.parametrize("way", SOME)
def test_hostile_names_work(short, tmp_path, way):
    files = place_all(short, tmp_path / "names")[:: 1 if way in ("probe", "sample_frames") else 4]
    assert len(files) >= 20
    assert set(outcomes(way, files, tmp_path / "out").values()) == {"worked"}


@pytest.mark.soak
@pytest.mark.parametrize("way", ON_MOVIES)
def test_100_hostile_names_work_in_every_function(short, tmp_path, way, record_figures):
    files = place_all(short, tmp_path / "names")
    found = outcomes(way, files, tmp_path / "out")
    record_figures("hostile_names", {way: f"{list(found.values()).count('worked')} of {len(files)}"})
    refused = {name for name, outcome in found.items() if outcome != "worked"}
    assert refused <= {f.name for f in files if to_text(f.name) != f.name}


@pytest.mark.parametrize("name", OUTSIDE_NAMES.values(), ids=OUTSIDE_NAMES)
def test_names_that_lead_outside_an_archive_find_nothing(tmp_path, name):
    from kso_utils.archive.local import LocalArchive
    from kso_utils.media.movie import find_movie

    (tmp_path / "movies").mkdir()
    with pytest.raises(KsoError):
        find_movie({"filename": name}, LocalArchive(tmp_path / "movies"))


def test_every_hostile_name_is_in_a_survey_as_itself(short, tmp_path):
    files = place_all(short, tmp_path / "names")
    table = survey_footage(tmp_path / "names")
    shown = {f.name for f in files if f.suffix.lower() == ".mp4" and not f.name.startswith(".")}
    assert set(table["filename"]) == {to_text(name) for name in shown}
    # An archive refuses names that mean something else on another system, or hide what they are.
    refused = table.loc[table["error"].notna(), "filename"]
    strange = {
        to_text(name) for name in shown if to_text(name) != name or not name.isprintable() or set(name) & set("\\:")
    }
    assert set(refused) <= strange
    assert table["error"].dropna().str.contains("name").all()


class _Canary(ThreadingHTTPServer):
    """A web server that counts who asks."""

    def __init__(self):
        self.asked = 0
        super().__init__(("127.0.0.1", 0), _CanaryHandler)


class _CanaryHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def canary():
    with _Canary() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def watched(path):
    """Count how often a file is opened: a pipe that tells when somebody begins to read it."""
    os.mkfifo(path)
    opened, done = [], threading.Event()

    def wait():
        while not done.is_set():
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:  # nobody reads
                done.wait(0.002)
            else:
                opened.append(1)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield opened
    finally:
        done.set()
        thread.join()


def lists(secret, port):
    """Texts that name another file, in every form that ffmpeg knows."""
    places = [str(secret), f"file://{secret}", secret.name, f"http://127.0.0.1:{port}/secret.ts"]
    for place in places:
        yield f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:4,\n{place}\n#EXT-X-ENDLIST\n"
        yield f"ffconcat version 1.0\nfile '{place}'\n"
        yield f'\n#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{place}"\n#EXTINF:4,\nx.ts\n'
        yield (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
            f"<Representation><BaseURL>{place}</BaseURL></Representation></AdaptationSet></Period></MPD>"
        )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes that have names")
@pytest.mark.parametrize("way", [w for w in WAYS if w != "check_movie_deep"])
def test_a_list_called_a_movie_reads_nothing_else(tmp_path, canary, way):
    secret = tmp_path / "secret.ts"
    with watched(secret) as opened:
        for number, text in enumerate(lists(secret, canary.server_port)):
            file = tmp_path / f"{number}.mp4"
            file.write_text(text)
            found = outcomes(way, [file], tmp_path / f"out{number}")
            assert "worked" not in found.values()
    assert (opened, canary.asked) == ([], 0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes that have names")
def test_the_watch_sees_who_opens_the_file(tmp_path):
    with watched(tmp_path / "pipe") as opened:
        os.close(os.open(tmp_path / "pipe", os.O_RDONLY))
    assert opened


def test_a_pipe_called_a_movie_is_no_movie(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    assert not check_movie(tmp_path / "a.mp4").ok
