import numpy as np
import pandas as pd
import pytest

from kso_utils.ui import write_report

pytestmark = pytest.mark.browser


class Visit:
    """A page opened with every request but its own file refused and written down."""

    def __init__(self, browser, path, width, scheme="light"):
        self.requests, self.complaints = [], []
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        self.page = context.new_page()
        own = path.as_uri()

        def answer(route):
            if route.request.url.split("#")[0] == own:
                return route.continue_()
            self.requests.append(route.request.url)
            return route.abort()

        context.route("**/*", answer)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(own)
        self.page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true })")


def long_names(content):
    full = content()
    name = "GH0113_" + "very_long_file_name_without_a_gap_" * 4 + ".MP4"
    return content(
        title="A title that is " + "very " * 20 + "long",
        sites=full.sites.assign(locality="Sitewithaverylongnameandnospaceanywhere" * 3),
        thumbnails=[(name, full.thumbnails[0][1])],
        agreement=full.agreement.assign(label=name),
        curves=full.curves.assign(name=full.curves["name"] + name),
        counts=full.counts.assign(filename=name + full.counts["filename"]),
        runs=pd.DataFrame({"kind": ["train"], "version": ["0.1.0"], "params": [{name: [1] * 200}]}),
    )


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("made", [lambda content: content(), long_names], ids=["usual", "long names"])
def test_the_page_fits_and_asks_for_nothing(browser, content, tmp_path, width, made):
    visit = Visit(browser, write_report(tmp_path / "report.html", made(content)), width)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visit.page.locator("svg").count() >= 10
    assert visit.requests == []
    assert visit.complaints == []


def test_the_style_is_allowed_by_its_hash(browser, content, tmp_path):
    visit = Visit(browser, write_report(tmp_path / "report.html", content()), 1280)
    colour = visit.page.evaluate("getComputedStyle(document.querySelector('.site')).fill")
    assert colour == "rgb(213, 94, 0)"


def test_pictures_are_shown(browser, content, tmp_path):
    visit = Visit(browser, write_report(tmp_path / "report.html", content()), 1280)
    assert visit.page.evaluate("[...document.images].every(image => image.naturalWidth === 320)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser, content, tmp_path, scheme):
    visit = Visit(browser, write_report(tmp_path / "report.html", content()), 1280, scheme)
    pairs = visit.page.evaluate(
        """() => ['.lead', '.why', 'td', 'th', 'nav a', '.yes', '.no', 'figcaption', 'footer', '.banner', 'summary']
        .map(name => {
            const found = document.querySelector(name)
            let ground = found
            while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement
            return [getComputedStyle(found).color, getComputedStyle(ground).backgroundColor]
        })"""
    )
    for ink, ground in pairs:
        assert contrast(ink, ground) >= 4.5, (ink, ground)


def contrast(ink, ground):
    """WCAG 2.1 contrast of two CSS colours, transparency left aside."""

    def luminance(colour):
        channels = np.array([float(c) for c in colour.split("(")[1].rstrip(")").split(",")[:3]]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    light, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_hostile_page_runs_nothing(browser, content, tmp_path):
    hostile = "<img src=http://evil.example/x onerror=\"document.title='ran'\"><script>document.title='ran'</script>"
    made = content(title=hostile, sites=content().sites.assign(locality=hostile), note=hostile)
    visit = Visit(browser, write_report(tmp_path / "report.html", made), 1280)
    assert visit.page.title() != "ran"
    assert visit.requests == []
    assert visit.page.locator("script").count() == 0
