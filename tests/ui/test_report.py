import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from kso_utils.core.report import Finding, Report
from kso_utils.ui import Figure, Picture, ReportContent, write_report
from kso_utils.ui.report import build_report
from kso_utils.ui.svg import DASH

HOSTILE = "</script><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>\"'"


class Page(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, name, attributes):
        self.tags.append((name, dict(attributes)))
        if name not in {"meta", "link", "img", "br"}:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def bare(**values):
    return ReportContent("Title", "Project", "2026-01-01T00:00:00Z", "0.1.0", "real", **values)


def test_the_page_is_well_formed_and_complete(content):
    page = Page(build_report(content()))
    assert page.open == []
    for heading in ("Where was it filmed?", "Do the volunteers agree?", "Did the model learn?", "How many animals?"):
        assert heading in page.text


def test_nothing_is_fetched_and_nothing_runs(content):
    text = build_report(content())
    names = {name for name, _ in Page(text).tags}
    assert not names & {"script", "iframe", "object", "embed", "base", "form"}
    links = [v for _, a in Page(text).tags for k, v in a.items() if k in {"src", "href", "action", "data"}]
    assert all(v.startswith(("data:", "#")) for v in links)
    assert not re.search(r"url\(|@import", text)


def test_the_policy_forbids_all_but_the_pages_own_style(content):
    policy = next(a["content"] for n, a in Page(build_report(content())).tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy


def test_links_lead_to_sections(content):
    tags = Page(build_report(content())).tags
    ids = {a["id"] for _, a in tags if "id" in a}
    assert {a["href"][1:] for n, a in tags if n == "a"} <= ids


def test_every_picture_has_words(content):
    for name, attributes in Page(build_report(content())).tags:
        if name == "img":
            assert attributes["alt"]
        if name == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"


def test_a_report_of_nothing_says_what_is_missing():
    page = Page(build_report(bare()))
    assert "No model was trained." in page.text
    assert "Nothing was counted." in page.text
    assert "svg" not in {name for name, _ in page.tags}


def test_empty_tables_are_as_good_as_none(content):
    full = content()
    names = ("sites", "agreement", "curves", "counts", "moving", "runs")
    empty = content(**{name: getattr(full, name).iloc[:0] for name in names})
    assert "Nothing was counted." in Page(build_report(empty)).text


def hostile_content(content):
    full = content()
    checks = Report(HOSTILE, [Finding(HOSTILE, 2, HOSTILE, HOSTILE, "error", HOSTILE, HOSTILE, HOSTILE)])
    picture = full.pictures[0]
    return content(
        title=HOSTILE,
        project=HOSTILE,
        note=HOSTILE,
        sites=full.sites.assign(locality=HOSTILE),
        checks=checks,
        figures=[Figure(HOSTILE, 1.0, HOSTILE, HOSTILE, False, HOSTILE)],
        thumbnails=[(HOSTILE, full.thumbnails[0][1])],
        agreement=full.agreement.assign(label=HOSTILE),
        curves=full.curves.assign(name=HOSTILE),
        pictures=[Picture(HOSTILE, picture.jpeg, picture.boxes.assign(label=HOSTILE))],
        counts=full.counts.assign(label=HOSTILE, filename=HOSTILE),
        moving=full.moving.assign(filename=HOSTILE),
        runs=full.runs.assign(params=[{HOSTILE: HOSTILE}] * len(full.runs)),
    )


def test_hostile_names_are_shown_as_text(content):
    page = Page(build_report(hostile_content(content)))
    assert page.open == []
    assert "script" not in {name for name, _ in page.tags}
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert all(a["src"].startswith("data:") for n, a in page.tags if n == "img")


def test_the_verdict_names_what_missed(content):
    assert "Numbers that miss their limits: 1 of 4 (MaxN, mean absolute error)." in Page(build_report(content())).text


def test_the_verdict_of_success():
    figures = [Figure("F1", 0.97, "at least 0.95", ok=True), Figure("time", 3.0)]
    assert "Numbers within their limits: all 1." in Page(build_report(bare(figures=figures))).text


@pytest.mark.parametrize(("sources", "said"), [("generated", "are simulated"), ("real", "Real sources.")])
def test_the_sources_are_said_at_the_top(content, sources, said):
    assert said in Page(build_report(content(sources=sources))).text.split("Numbers")[0]


def test_sites_without_a_position_are_listed(content):
    table = content().sites
    table.loc[1, ["decimalLatitude", "decimalLongitude"]] = np.nan
    text = Page(build_report(content(sites=table))).text
    assert "for want of a position: Yttre Vattenholmen." in text


def test_no_position_at_all_gives_no_map(content):
    table = content().sites.assign(decimalLatitude=np.nan, decimalLongitude=np.nan)
    assert "No site has a position." in Page(build_report(content(sites=table))).text


def test_counts_stand_beside_the_truth():
    counts = pd.DataFrame({"filename": ["a.mp4", "b.mp4"], "label": "cod", "max_n": [2, 3], "truth": [2, 4]})
    text = Page(build_report(bare(counts=counts))).text
    assert "2 / 2" in text
    assert "3 / 4 ≠" in text


def test_counts_without_a_truth_stand_alone():
    counts = pd.DataFrame({"filename": ["a.mp4"], "label": ["cod"], "max_n": [2]})
    text = Page(build_report(bare(counts=counts))).text
    assert "the ring the true number" not in text
    assert "MaxN by movie and species" in text


def test_a_species_that_was_missed_is_shown_beside_the_truth():
    counts = pd.DataFrame(
        {"filename": ["a.mp4", "a.mp4"], "label": ["cod", "eel"], "max_n": [2, None], "truth": [2, 4]}
    )
    assert f"{DASH} / 4" in Page(build_report(bare(counts=counts.astype(object)))).text


def test_numbers_without_an_epoch_are_no_part_of_the_curves():
    curves = pd.DataFrame({"epoch": [1, 2, None], "name": "mAP50", "value": [0.1, 0.2, 0.9]}, dtype=object)
    text = build_report(bare(curves=curves))
    assert "mAP50  0.2" in text
    assert "nan" not in text


def test_how_frames_were_split_is_said_before_the_curves():
    curves = pd.DataFrame({"epoch": [1, 2], "name": "mAP50", "value": [0.1, 0.2]})
    text = build_report(bare(curves=curves, split="Whole <sites> were held out."))
    assert 0 < text.index("<p>Whole &lt;sites&gt; were held out.</p>") < text.index("Scores")


def test_many_movies_and_species_stay_readable():
    rows = [(f"movie {i}.mp4", f"species {s}", i % 5, i % 4) for i in range(60) for s in range(20)]
    counts = pd.DataFrame(rows, columns=["filename", "label", "max_n", "truth"])
    text = Page(build_report(bare(counts=counts))).text
    assert "the table has 36 more." in text
    assert "movie 59.mp4" in text


def test_missing_regions_give_no_section(content):
    assert "Does it find what moves?" not in Page(build_report(content(moving=None))).text


def test_movies_without_moving_regions_divide_by_nothing(content):
    moving = pd.DataFrame({"filename": ["still.mp4"], "regions": [0], "found": [0]})
    assert "0 of 0" in Page(build_report(content(moving=moving))).text


def test_the_report_is_written_whole(content, tmp_path):
    path = write_report(tmp_path / "out" / "report.html", content())
    assert path == tmp_path / "out" / "report.html"
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_the_same_content_gives_the_same_bytes(content):
    assert build_report(content()) == build_report(content())
