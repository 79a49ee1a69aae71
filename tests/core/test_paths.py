from __future__ import annotations

import hashlib
import os
import unicodedata

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kso_utils.core import paths
from kso_utils.core.errors import UnsafeInput
from kso_utils.core.paths import find_inside, flush_folder, inside, safe_name, sha256_file, write_atomic

steady = settings(
    derandomize=True, deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
pieces = st.sampled_from(["..", ".", "a", "", "link", "/", "~", "b.mp4", "..a", " ", "\\", "C:"])


@pytest.mark.parametrize("name", ["a.mp4", "deep/er/a.mp4", "a/../b", "..a", "./a", "å ä.mp4", "a" * 300])
def test_a_name_inside_is_taken(tmp_path, name):
    assert tmp_path.resolve() in inside(tmp_path, name).parents


@pytest.mark.parametrize("name", ["", ".", "..", "a/..", "../a", "a/../../b", "/etc/passwd", "a\0b", "nul\0"])
def test_a_name_that_leads_outside_is_refused(tmp_path, name):
    with pytest.raises(UnsafeInput):
        inside(tmp_path, name)


def test_an_absolute_name_is_refused_even_inside(tmp_path):
    with pytest.raises(UnsafeInput):
        inside(tmp_path, tmp_path / "a.mp4")


def test_a_link_that_leads_outside_is_refused(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(UnsafeInput, match="outside"):
        inside(root, "link/a.mp4")


def test_a_link_that_leads_to_itself_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UnsafeInput, match="leads nowhere"):
        inside(tmp_path, "loop/a.mp4")


@steady
@given(st.text() | st.lists(pieces, max_size=8).map("/".join))
@example("/")
@example("link/..")
def test_no_name_leaves_its_folder(tmp_path, name):
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    if not (root / "link").is_symlink():
        (root / "link").symlink_to("/")
    try:
        path = inside(root, name)
    except UnsafeInput:
        return
    assert os.path.commonpath([root.resolve(), os.path.realpath(path)]) == str(root.resolve())
    assert path != root.resolve()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("movie 1.mp4", "movie_1.mp4"),
        ("../../etc/passwd", "etc_passwd"),
        ("a/b\\c:d", "a_b_c_d"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("Öland räka.mp4", "Öland_räka.mp4"),
        ("a\u0308", "ä"),
        ("", "unnamed"),
        ("///", "unnamed"),
        ("trailing. ", "trailing"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("con_", "_con"),
        ("lpt9.tar.gz", "_lpt9.tar.gz"),
        ("\ud800", "unnamed"),
    ],
)
def test_a_safe_name(text, name):
    assert safe_name(text) == name


@steady
@given(st.text(max_size=400))
@example("ö" * 300)
@example("con." + "x" * 300)
def test_every_text_gives_a_name_that_is_safe(tmp_path, text):
    name = safe_name(text)
    assert inside(tmp_path, name) == tmp_path.resolve() / name
    assert 0 < len(name.encode()) <= 200
    assert name[0] not in ".-"
    assert name[-1] != "."
    assert safe_name(name) == name


def test_a_long_text_is_no_long_work():
    assert len(safe_name("ö" * 1_000_000).encode()) <= 200


def test_a_file_is_written_whole(tmp_path):
    path = tmp_path / "new" / "folder" / "a.csv"
    with write_atomic(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".csv"
        temporary.write_text("done")
        assert not path.exists()
    assert path.read_text() == "done"
    assert list(path.parent.iterdir()) == [path]


def test_a_block_that_raises_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), write_atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_long_name_of_wide_letters_can_be_written(tmp_path):
    path = tmp_path / f"{'海' * 80}.csv"
    with write_atomic(path) as temporary:
        temporary.write_text("done")
    assert path.exists()


def test_a_written_file_is_flushed_before_it_gets_its_name(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    seen = []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append(path.exists()))
    with write_atomic(path) as temporary:
        temporary.write_text("done")
    assert seen == [False, True]


def test_folders_are_not_flushed_where_the_system_has_no_such_thing(tmp_path, monkeypatch):
    monkeypatch.setattr(paths.os, "name", "nt")
    monkeypatch.setattr(paths.os, "open", lambda *args: pytest.fail("opened a folder"))
    flush_folder(tmp_path)


def test_sha256(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"footage" * 100_000)
    assert sha256_file(path) == hashlib.sha256(b"footage" * 100_000).hexdigest()


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_a_file_is_found_whatever_its_unicode_form(tmp_path, form, asked):
    name = "dykå/Säcken å.mp4"
    path = tmp_path / unicodedata.normalize(form, name)
    path.parent.mkdir()
    path.touch()
    assert find_inside(tmp_path, unicodedata.normalize(asked, name)) == path.resolve()


def test_a_file_that_is_not_there_has_the_name_asked_for(tmp_path):
    (tmp_path / "dykå").mkdir()
    assert find_inside(tmp_path, "dykå/b.mp4") == (tmp_path / "dykå/b.mp4").resolve()
    assert find_inside(tmp_path, "never/b.mp4") == (tmp_path / "never/b.mp4").resolve()


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", ""])
def test_a_file_outside_is_not_looked_for(tmp_path, name):
    with pytest.raises(UnsafeInput):
        find_inside(tmp_path, name)


def test_a_link_of_another_unicode_form_that_leads_outside_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.mp4").touch()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / unicodedata.normalize("NFD", "dykå")).symlink_to(tmp_path / "out")
    with pytest.raises(UnsafeInput):
        find_inside(tmp_path / "in", "dykå/b.mp4")


def test_a_name_that_is_not_text_can_be_shown():
    assert paths.to_text("caf\udce9.mp4") == "caf\\xe9.mp4"
    assert paths.to_text("S\u00e4cken.mp4") == "S\u00e4cken.mp4"


@pytest.mark.parametrize("name", ["a." + "b" * 250, "x" * 251 + ".mp4", "\U0001f41f" * 62 + "abc.mp4"])
def test_a_name_of_any_length_is_written(tmp_path, name):
    with write_atomic(tmp_path / name) as temporary:
        temporary.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]
