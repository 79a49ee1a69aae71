"""Whatever bytes an archive is made of, it gives findings or a refusal in words, never a traceback."""

import contextlib
import io
import os
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kso_utils.annotations.darwincore import check
from kso_utils.annotations.darwincore.markup import parse_xml
from kso_utils.core.errors import KsoError, MetadataError, UnsafeInput

quick = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
thorough = settings(quick, max_examples=3000)


def _pack(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def _survives(path):
    with contextlib.suppress(KsoError):
        for finding in check(path):
            assert finding.code
            assert finding.message


_CHANGES = st.lists(
    st.tuples(
        st.integers(0, 5000), st.integers(0, 40), st.one_of(st.binary(max_size=12), st.sampled_from([b'"', b"\t"]))
    ),
    min_size=1,
    max_size=6,
)
_FILES = st.sampled_from(["meta.xml", "eml.xml", "event.txt", "occurrence.txt", "emof.txt", "multimedia.txt"])


def _mutate(data, changes):
    for start, length, new in changes:
        at = start % (len(data) + 1)
        data = data[:at] + new + data[at + length :]
    return data


def _check_changed_file(archive, tmp_path, name, changes):
    files = archive.files()
    files[name] = _mutate(files[name], changes)
    _survives(_pack(tmp_path / "archive.zip", files))


@given(name=_FILES, changes=_CHANGES)
@quick
def test_a_file_with_bytes_changed_gives_findings(name, changes, archive, tmp_path):
    _check_changed_file(archive, tmp_path, name, changes)


@pytest.mark.soak
@given(name=_FILES, changes=_CHANGES)
@thorough
def test_any_file_with_bytes_changed_gives_findings(name, changes, archive, tmp_path):
    _check_changed_file(archive, tmp_path, name, changes)


@given(changes=_CHANGES)
@quick
def test_a_zip_file_with_bytes_changed_gives_findings(changes, archive, tmp_path):
    path = archive.save_zip(tmp_path / "archive.zip")
    path.write_bytes(_mutate(path.read_bytes(), changes))
    _survives(path)


@given(data=st.binary(max_size=300))
@quick
def test_a_file_of_any_bytes_gives_findings(data, tmp_path):
    path = tmp_path / "archive.zip"
    path.write_bytes(data)
    _survives(path)


_ATTRIBUTES = st.sampled_from(
    ["encoding", "fieldsTerminatedBy", "fieldsEnclosedBy", "linesTerminatedBy", "ignoreHeaderLines"]
)
_CODECS = st.sampled_from(["utf-16", "idna", "undefined", "unicode_escape", "utf-7", "cp037", "hex", "\x7f", ""])


@given(attribute=_ATTRIBUTES, value=st.one_of(_CODECS, st.text(st.characters(exclude_categories=["C"]), max_size=3)))
@quick
def test_any_way_of_writing_that_meta_xml_claims_gives_findings(attribute, value, archive, tmp_path):
    archive.tables["event.txt"].attributes[attribute] = value.replace("\x7f", "")
    _survives(archive.save_zip(tmp_path / "archive.zip"))


def test_a_file_that_is_no_zip_file_is_told(tmp_path):
    (tmp_path / "archive.zip").write_bytes(b"not a zip file")
    assert check(tmp_path / "archive.zip").codes() == {"DWCA_UNREADABLE": 1}


def test_a_zip_file_cut_off_is_told(archive, tmp_path):
    path = archive.save_zip(tmp_path / "archive.zip")
    path.write_bytes(path.read_bytes()[:-30])
    assert check(path).codes() == {"DWCA_UNREADABLE": 1}


def test_a_damaged_table_in_a_zip_file_is_told(archive, tmp_path):
    archive.more["event.txt"] = data = os.urandom(5000)
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, content in archive.files().items():
            file.writestr(name, content)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(data[1000:1010], bytes(10)))
    assert "UNREADABLE_SECTION_ERROR" in check(path).codes()


@pytest.mark.parametrize("name", ["../event.txt", "a/../../event.txt", "/etc/event.txt"])
def test_a_zip_file_that_reaches_outside_itself_is_refused(name, archive, tmp_path):
    path = _pack(tmp_path / "archive.zip", {**archive.files(), name: b"x"})
    with pytest.raises(UnsafeInput, match="outside"):
        check(path)


@pytest.mark.parametrize("name", ["../event.txt", "/etc/passwd"])
@pytest.mark.parametrize("kind", ["location", "metadata"])
def test_a_name_in_meta_xml_that_reaches_outside_the_archive_is_refused(kind, name, archive, tmp_path):
    meta = archive.meta_xml()
    old, new = (">event.txt<", f">{name}<") if kind == "location" else ('"eml.xml"', f'"{name}"')
    archive.meta = meta.replace(old, new)
    with pytest.raises(UnsafeInput, match="outside"):
        check(archive.save_folder(tmp_path / "archive"))


def test_a_link_in_a_folder_that_leads_out_of_it_is_refused(archive, tmp_path):
    path = archive.save_folder(tmp_path / "archive")
    (tmp_path / "secret.txt").write_text("x", encoding="utf-8")
    (path / "event.txt").unlink()
    (path / "event.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(UnsafeInput, match="outside"):
        check(path)


def test_a_zip_bomb_is_refused_before_it_is_read(archive, tmp_path):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("event.txt", "w") as stream:
        for _ in range(80):
            stream.write(bytes(1 << 20))
    with pytest.raises(UnsafeInput, match="would grow"):
        check(path)


def test_a_zip_file_of_very_many_files_is_refused(tmp_path):
    path = _pack(tmp_path / "archive.zip", {f"{n}": b"" for n in range(10_001)})
    with pytest.raises(UnsafeInput, match="10001 files"):
        check(path)


BOMB = """<!DOCTYPE archive [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><archive>&b;</archive>"""
FILE = """<!DOCTYPE eml [<!ENTITY a SYSTEM "file:///etc/passwd">]><eml><dataset><title>&a;</title></dataset></eml>"""


@pytest.mark.parametrize("text", [BOMB, FILE])
@pytest.mark.parametrize(("file", "code"), [("meta", "DWCA_META_XML_SCHEMA"), ("eml", "EML_GBIF_SCHEMA")])
def test_entities_are_refused_not_expanded(file, code, text, archive, tmp_path):
    setattr(archive, file, text)
    report = check(archive.save_zip(tmp_path / "archive.zip"))
    (finding,) = (f for f in report if f.code == code)
    assert "document type" in finding.message
    assert "root:" not in str(report)


def test_a_document_nested_without_end_is_refused():
    with pytest.raises(MetadataError, match="nested deeper"):
        parse_xml(b"<a>" * 100_000)


def test_a_document_larger_than_any_is_refused():
    with pytest.raises(MetadataError, match="larger than 16 MiB"):
        parse_xml(b"<a>" + b" " * (16 << 20))


def test_a_line_without_end_is_told_and_not_read_into_memory(archive, tmp_path):
    buffer = io.BytesIO(archive.tables["event.txt"].data())
    archive.tables["event.txt"].raw = buffer.getvalue() + b"x" * (3 << 20)
    report = check(archive.save_zip(tmp_path / "archive.zip"))
    assert report.codes()["UNREADABLE_SECTION_ERROR"] == 1
    assert "a line is longer" in str(report)


def test_an_encrypted_zip_file_is_told(archive, tmp_path):
    path = archive.save_zip(tmp_path / "archive.zip")
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 4)
    path.write_bytes(bytes(data))
    assert check(path).codes() == {"DWCA_UNREADABLE": 1}
