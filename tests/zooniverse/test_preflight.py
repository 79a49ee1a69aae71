import hashlib
import subprocess
import threading

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.media.safety import find_ffmpeg
from kso_utils.testing.range_server import serve_ranges
from kso_utils.testing.subject_files import clip_bytes, frame_bytes
from kso_utils.zooniverse import sandbox
from kso_utils.zooniverse.delivery import media_checks, preflight
from kso_utils.zooniverse.delivery.links import expires, find_fault
from kso_utils.zooniverse.delivery.media_checks import CLIP_BYTES, FRAME_BYTES
from kso_utils.zooniverse.delivery.preflight import check_subjects, read_quota
from kso_utils.zooniverse.session import connect
from kso_utils.zooniverse.subjects import KEY, plan_subjects
from kso_utils.zooniverse.uploads import upload


def plan(path, **columns):
    """Plan one subject whose file was just made."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return plan_subjects(pd.DataFrame([{"path": str(path), "sha256": digest, **columns}]), {}, "clip")


def find(subjects, store, **allowed):
    return check_subjects(subjects, store, "Clips", 1, **allowed)


def encode(path, *options):
    source = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-frames:v", "3"]
    subprocess.run([find_ffmpeg(), "-nostdin", "-v", "error", "-y", *source, *options, str(path)], check=True)
    return path


def test_whole_clips_and_frames_have_no_findings(store, clips, tmp_path):
    frames = [("a.jpg", frame_bytes(1)), ("b.JPEG", frame_bytes(2)), ("c.png", cv2.imencode(".png", np.eye(9))[1])]
    for name, data in frames:
        (tmp_path / name).write_bytes(bytes(data))
    subjects = pd.concat([clips(3), *(plan(tmp_path / name) for name, _ in frames)], ignore_index=True)
    assert list(find(subjects, store)) == []


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("missing.mp4", None, "FILE_MISSING", "kso clips"),
        ("folder.mp4", ..., "FILE_MISSING", "kso clips"),
        ("empty.mp4", b"", "NOT_WHAT_IT_SAYS", "neither MP4"),
        ("picture.mp4", frame_bytes(1), "NOT_WHAT_IT_SAYS", "image/jpeg"),
        ("camera.mp4", clip_bytes(50).replace(b"ftypisom", b"ftypqt  "), "NOT_WHAT_IT_SAYS", "video/quicktime"),
        ("clip.mov", clip_bytes(50), "UNKNOWN_MEDIA_TYPE", "Convert"),
        ("cut.mp4", clip_bytes(50)[:1200], "NOT_DECODABLE", "cannot be shown"),
        ("cut.jpg", frame_bytes(1)[:400], "NOT_DECODABLE", "cannot be shown"),
        ("large.mp4", clip_bytes(50, CLIP_BYTES + 1), "FILE_TOO_LARGE", "kso clips --max-mb 8"),
        ("large.jpg", frame_bytes(1, FRAME_BYTES + 1), "FILE_TOO_LARGE", "--allow-large"),
    ],
)
def test_each_fault_of_a_file_names_row_file_and_fix(store, clips, tmp_path, name, content, code, said):
    path = tmp_path / name
    if content is ...:
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    bad = clips(1, first=9).assign(path=str(path))
    if isinstance(content, bytes):
        bad["sha256"] = hashlib.sha256(content).hexdigest()
    (finding,) = find(pd.concat([clips(2), bad], ignore_index=True), store)
    assert (finding.row, finding.column, finding.code, finding.severity) == (4, "path", code, "error")
    assert str(path) in finding.message
    assert said in finding.message + finding.fix


def test_large_media_pass_where_that_is_asked_for(session, project, store, tmp_path):
    path = tmp_path / "large.jpg"
    path.write_bytes(frame_bytes(1, FRAME_BYTES + 1))
    with pytest.raises(MetadataError, match="FILE_TOO_LARGE"):
        upload(session, store, plan(path), "Clips", project_id=project)
    states = upload(session, store, plan(path), "Clips", project_id=project, allow_large=True)
    assert states["subject_id"].notna().all()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["-c:v", "mpeg4"], "UNKNOWN_CODEC"),
        (["-c:v", "libx264", "-pix_fmt", "yuv444p"], "UNKNOWN_PIXELS"),
        (["-c:v", "libx264", "-pix_fmt", "yuv420p", "-color_range", "pc"], None),
    ],
)
def test_codec_and_pixels_are_those_that_every_browser_plays(store, tmp_path, options, code):
    found = find(plan(encode(tmp_path / "clip.mp4", *options)), store)
    assert [finding.code for finding in found] == ([code] if code else [])


def test_a_file_that_changed_is_told(store, clips, tmp_path):
    planned = clips(1)
    (tmp_path / "clip_0.mp4").write_bytes(clip_bytes(5))
    assert find(planned, store).codes() == {"FILE_CHANGED": 1}


def test_all_faults_are_told_together(store, clips, tmp_path):
    planned = clips(3).assign(movie_id=[99, 1, 1], metadata=[{"depth": np.nan}, {}, {}])
    (tmp_path / "clip_1.mp4").unlink()
    codes = {"UNKNOWN_REFERENCE": 1, "NOT_JSON": 1, "FILE_MISSING": 1}
    assert find(planned, store).codes() == codes


@pytest.mark.parametrize("name", ["", "#", " ! ", "x" * 256, KEY])
def test_names_in_the_metadata_must_be_names(store, clips, name):
    assert find(clips(1).assign(metadata=[{name: 1}]), store).codes() == {"BAD_NAME": 1}


def test_a_column_that_is_missing_is_told(store, clips):
    with pytest.raises(ConfigError, match="no column path"):
        find(clips(1).drop(columns="path"), store)


def test_the_same_row_and_the_same_content_are_told_with_their_line(store, clips):
    planned = clips(3)
    other = planned.iloc[[1]].assign(metadata=[{"another": "name"}])
    found = find(pd.concat([planned, planned.iloc[[0]], other], ignore_index=True), store)
    assert [(f.row, f.code, f.severity) for f in found] == [
        (5, "DUPLICATE_IN_PLAN", "warning"),
        (6, "SAME_CONTENT", "warning"),
    ]
    assert ["line 2" in found.findings[0].message, "line 3" in found.findings[1].message] == [True, True]


def test_content_that_was_uploaded_otherwise_is_told_with_its_set(session, project, store, clips, caplog):
    planned = clips(2)
    first = upload(session, store, planned, "First", project_id=project)
    set_id = session.find_subject_set(project, "First")
    again = check_subjects(planned, store, "First", project)
    assert list(again) == []
    found = check_subjects(planned, store, "Second", project)
    assert [(f.row, f.code, f.severity) for f in found] == [(row, "UPLOADED_BEFORE", "warning") for row in (2, 3)]
    assert f"subject {first.subject_id[0]} in the subject set {set_id}" in found.findings[0].message
    upload(session, store, planned, "Second", project_id=project)
    assert "UPLOADED_BEFORE" in caplog.text


def test_a_place_that_is_shown_already_is_told(store, clips):
    there = {"id": 77, "subject_type": "clip", "subject_set_id": "5", "movie_id": 1}
    store.upsert("subjects", pd.DataFrame([{**there, "clip_start_time": 0, "clip_end_time": 10}]), "id")
    (finding,) = find(clips(2), store)
    assert (finding.row, finding.code, finding.severity) == (2, "SHOWN_BEFORE", "warning")
    assert "Subject 77 in the subject set 5" in finding.message


def test_files_of_subjects_that_are_there_are_not_looked_at(session, project, store, clips, tmp_path):
    planned = clips(2)
    upload(session, store, planned, "Clips", project_id=project)
    (tmp_path / "clip_0.mp4").unlink()
    assert check_subjects(planned, store, "Clips", project).ok
    assert not check_subjects(planned, store, "Others", project).ok


def test_several_files_are_looked_at_at_a_time(store, clips, monkeypatch):
    monkeypatch.setattr(preflight, "_threads", lambda: 3)
    together = threading.Barrier(3, timeout=10)
    monkeypatch.setattr(preflight, "find_faults", lambda *_: (together.wait(), [])[1])
    assert find(clips(3), store).ok


@pytest.mark.parametrize("whitelisted", [False, True])
def test_the_quota_is_read(whitelisted, monkeypatch):
    with sandbox.serve(subject_limit=7) as running, connect("demo", "demo", running.url) as opened:
        if whitelisted:
            account = {**opened.me(), "upload_whitelist": True}
            monkeypatch.setattr(opened, "me", lambda: account)
        quota = read_quota(opened)
    assert (quota.used, quota.limit, quota.left) == ((0, None, None) if whitelisted else (0, 7, 7))


SIGNED = [
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600&X-Amz-Signature=abc",
    "AWSAccessKeyId=x&Signature=abc&Expires=1700000000",
    "X-Goog-Signature=abc",
    "se=2026-01-01&sig=abc",
    "temp_url_sig=abc&temp_url_expires=17",
]


@pytest.mark.parametrize("query", SIGNED)
def test_links_that_are_signed_for_a_time_are_known(query):
    assert expires(f"https://bucket.example.org/a.mp4?{query}")


@given(st.text(max_size=30))
@settings(derandomize=True, max_examples=200, deadline=None)
def test_any_text_is_judged_as_an_address(text):
    assert isinstance(expires(text), bool)
    assert find_fault(text) is not None
    assert (find_fault(f"https://{text}") is None) <= bool(text)


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://example.org/a.mp4", True),
        ("http://127.0.0.1:8910/a.mp4", True),
        ("http://[::1]/a.mp4", True),
        ("http://example.org/a.mp4", False),
        ("http://127.0.0.1.example.org/a.mp4", False),
        ("s3://bucket/a.mp4", False),
        ("https://ann:secret@example.org/a.mp4", False),
    ],
)
def test_media_must_lie_where_browsers_fetch_them(url, fine):
    assert (find_fault(url) is None) is fine


@pytest.fixture
def web(tmp_path):
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "good.mp4").write_bytes(clip_bytes(50))
    (folder / "large.mp4").write_bytes(clip_bytes(50, CLIP_BYTES + 1))
    (folder / "text.mp4").write_text("no movie")
    (folder / "good.jpg").write_bytes(frame_bytes(1))
    (folder / "cut.jpg").write_bytes(frame_bytes(1)[:400])
    with serve_ranges(folder) as server:
        yield server


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("good.mp4", None),
        ("good.jpg", None),
        ("large.mp4", "FILE_TOO_LARGE"),
        ("text.mp4", "NOT_WHAT_IT_SAYS"),
        ("cut.jpg", "NOT_DECODABLE"),
        ("none.mp4", "FILE_MISSING"),
    ],
)
def test_media_of_another_server_are_looked_at_there(store, web, name, code):
    subjects = plan_subjects(pd.DataFrame([{"url": web.address(name), "movie_id": 1}]), {}, "clip")
    found = find(subjects, store)
    assert [(f.column, f.code) for f in found] == ([("url", code)] if code else [])


def test_a_signed_link_is_refused_unless_asked_for_and_never_told(store, web):
    url = f"{web.address('good.mp4')}?{SIGNED[0]}"
    subjects = plan_subjects(pd.DataFrame([{"url": url}]), {}, "clip")
    found = find(subjects, store)
    assert found.codes() == {"EXPIRING_LINK": 1}
    assert "Signature" not in str(found)
    assert list(find(subjects, store, allow_expiring=True)) == []


def test_the_type_is_that_of_the_ending():
    names = ("a.mp4", "b.JPG", "c.png", "https://example.org/d.jpeg?x=1")
    assert [media_checks.mime_of(n) for n in names] == ["video/mp4", "image/jpeg", "image/png", "image/jpeg"]
