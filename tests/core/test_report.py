from __future__ import annotations

import csv
import io

import pytest

from kso_utils.core.errors import MetadataError
from kso_utils.core.report import Finding, Report


def finding(severity="error", code="CODE", **changes):
    values = {"table": "sites", "row": 2, "column": "locality", "value": "v", "message": "Wrong.", "fix": "Mend it."}
    return Finding(**{**values, "severity": severity, "code": code, **changes})


def test_a_finding_is_one_line_that_says_where():
    assert str(finding()) == "ERROR CODE [sites line 2, locality] Wrong. Mend it."


def test_a_finding_about_a_whole_table_names_no_line():
    assert str(finding("info", row=None, column=None, fix="")) == "INFO CODE [sites] Wrong."


@pytest.mark.parametrize(("severities", "ok"), [([], True), (["warning", "info"], True), (["info", "error"], False)])
def test_only_errors_spoil_a_report(severities, ok):
    assert Report("sites", [finding(severity) for severity in severities]).ok is ok


@pytest.mark.parametrize(
    ("severities", "summary"),
    [
        ([], "no findings"),
        (["error"], "1 error"),
        (["info", "warning", "warning", "info", "error"], "1 error, 2 warnings, 2 info"),
    ],
)
def test_the_summary_counts(severities, summary):
    assert Report("sites", [finding(severity) for severity in severities]).summary() == summary


def test_a_report_is_a_collection_of_findings():
    report = Report("sites")
    report.add(finding(code="A"))
    report.extend([finding(code="B"), finding(code="A")])
    assert len(report) == 3
    assert [found.code for found in report] == ["A", "B", "A"]
    assert report.codes() == {"A": 2, "B": 1}


def test_text_has_the_worst_first():
    lines = str(Report("sites", [finding("info"), finding("error")])).splitlines()
    assert lines[0] == "sites: 1 error, 1 info"
    assert [line.split()[0] for line in lines[1:]] == ["ERROR", "INFO"]


def test_rows_are_plain_dictionaries():
    (row,) = Report("sites", [finding()]).rows()
    assert row == {
        "table": "sites",
        "row": 2,
        "column": "locality",
        "code": "CODE",
        "severity": "error",
        "value": "v",
        "message": "Wrong.",
        "fix": "Mend it.",
    }


def test_a_report_without_errors_does_not_raise():
    Report("sites", [finding("warning")]).raise_if_errors()


def test_the_first_errors_are_in_the_message_and_all_in_the_report():
    report = Report("sites", [finding(code=f"CODE{number}") for number in range(7)])
    with pytest.raises(MetadataError, match=r"sites: 7 errors\n.*CODE0(.|\n)*CODE4.*\n  and 2 more") as caught:
        report.raise_if_errors()
    assert caught.value.report is report


def test_few_errors_are_all_in_the_message():
    with pytest.raises(MetadataError) as caught:
        Report("sites", [finding()]).raise_if_errors()
    assert "more" not in str(caught.value)


@pytest.mark.parametrize("value", ["=1+1", "+1+1", "-A1", "@x", "\tx", "\rx"])
def test_csv_holds_no_formulas(value):
    (row,) = csv.DictReader(io.StringIO(Report("sites", [finding(value=value)]).to_csv(), newline=""))
    assert row["value"] == "'" + value.replace("\r", "\n")


def test_a_carriage_return_begins_no_row():
    text = Report("sites", [finding(value="a\r=1+1\r\nb")]).to_csv()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["value"] == "a\n=1+1\nb"


def test_csv_is_written_to_a_file_too(tmp_path):
    path = tmp_path / "out" / "report.csv"
    text = Report("sites", [finding(value="Öland")]).to_csv(path)
    assert path.read_text(encoding="utf-8") == text
    assert text.splitlines() == [
        "table,row,column,code,severity,value,message,fix",
        "sites,2,locality,CODE,error,Öland,Wrong.,Mend it.",
    ]


def test_html_escapes_every_value():
    shown = Report("sites", [finding(message="<script>", table="<b>", column="<i>", fix="<u>", code="<a>")]).to_html()
    for tag in ("<script>", "<b>", "<i>", "<u>", "<a>"):
        assert tag not in shown
    assert "&lt;script&gt;" in shown


def test_html_without_findings_says_so():
    assert Report("<sites>").to_html() == '<p class="findings-none">&lt;sites&gt;: no findings.</p>'


def test_a_strict_report_has_errors_for_warnings():
    report = Report("sites", [finding("warning"), finding("info"), finding("error")])
    assert [f.severity for f in report.strict()] == ["error", "info", "error"]
    assert report.strict().title == "sites"
    assert [f.severity for f in report] == ["warning", "info", "error"]


def test_a_notebook_shows_the_table():
    report = Report("sites", [finding("warning", row=None, column=None)])
    assert report._repr_html_() == report.to_html()
    assert '<tr class="warning"><td>warning</td><td>sites</td>' in report.to_html()


def test_a_brief_report_counts_what_it_leaves_out():
    report = Report("Tables", [finding("warning", row=n) for n in range(9)])
    lines = report.brief(each=2).split("\n")
    assert lines[0] == "Tables: 9 warnings"
    assert lines[-1] == "WARNING CODE [sites, locality] and 7 more of this kind."
    assert len(lines) == 4
