"""People at the sandbox's page, in a real browser."""

import json
import re

import cv2
import numpy as np
import pytest

from kso_utils.media.encoding import write_movie
from kso_utils.zooniverse.answers import flatten
from kso_utils.zooniverse.sandbox import Fault, drawing_task, survey_task
from kso_utils.zooniverse.sandbox.tasks import extract_strings

pytestmark = pytest.mark.browser
WIDTH, HEIGHT = 320, 180
SPECIES = survey_task(["Atlantic cod", "Brown crab", "Nothing here"], length_s=4)


@pytest.fixture(scope="module")
def picture():
    grey = np.linspace(60, 200, WIDTH, dtype=np.uint8)
    return "image/png", cv2.imencode(".png", np.tile(grey, (HEIGHT, 1)))[1].tobytes()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    write_movie(path, (np.full((HEIGHT, WIDTH, 3), 20 + n, np.uint8) for n in range(50)), 25)
    return "video/mp4", path.read_bytes()


class Person:
    """Somebody at a browser of their own, who sees what the console complains of and where requests go."""

    def __init__(self, browser, url, width=1280, touch=False):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, has_touch=touch)
        self.url, self.complaints, self.requests = url, [], []
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path="/"):
        self.page.goto(self.url + path)
        return self

    def press(self, name, exact=True):
        self.page.get_by_role("button", name=name, exact=exact).click()

    def answer(self, question, text):
        self.page.get_by_role("group", name=question).get_by_role("radio", name=text, exact=True).check()

    def sees(self, text):
        self.page.get_by_text(text).first.wait_for()

    def spot(self, x, y):
        """Return where on the screen a pixel of the picture is."""
        layer = self.page.locator("svg.layer[viewBox]")
        layer.wait_for()
        box = layer.bounding_box()
        return box["x"] + x / WIDTH * box["width"], box["y"] + y / HEIGHT * box["height"]

    def drag(self, *places):
        self.page.mouse.move(*self.spot(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.spot(*place), steps=3)
        self.page.mouse.up()

    def sign_in(self, password):
        self.press("Sign in")
        self.page.get_by_label("User name").fill("demo")
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("dialog").get_by_role("button", name="Sign in").click()


@pytest.fixture
def person(browser, server):
    """Return a function that brings a person; no page may ask for anything elsewhere or break its policy."""
    people = []

    def come(**settings):
        people.append(Person(browser, server.url, **settings))
        return people[-1]

    yield come
    for one in people:
        one.context.close()
        assert [url for url in one.requests if not url.startswith(server.url)] == []
        # A browser writes down answers that are errors; tests that make some look at them themselves.
        assert [text for text in one.complaints if not text.startswith("Failed to load resource")] == []


def rows_of(exports):
    return flatten(exports.classifications, exports.workflows)


def kept(server, column="metadata"):
    return [json.loads(row[column]) for row in server.state.rows("SELECT * FROM classifications ORDER BY id")]


@pytest.mark.parametrize(("query", "version"), [("", "2.0"), ("?classifier=1", None)])
def test_species_picked_on_a_clip_come_out_of_the_export(offer, clip, person, export, server, query, version):
    workflow = offer(SPECIES, clip)
    one = person().open(f"/classify/{workflow}{query}")
    one.press("Atlantic cod")
    one.answer("How many?", "2")
    one.answer("First seen", "3s")
    one.press("Add")
    one.press("Brown crab")
    one.answer("How many?", "1")
    one.answer("First seen", "0s")
    one.press("Add")
    one.press("Done")
    one.sees("1 answer saved.")
    rows = rows_of(export())
    assert rows[["label", "labels_from", "how_many", "first_seen_s"]].to_numpy().tolist() == [
        ["Atlantic cod", "workflow", 2, 3],
        ["Brown crab", "workflow", 1, 0],
    ]
    assert kept(server)[0].get("classifier_version") == version


@pytest.mark.parametrize(("query", "keys"), [("", {"toolIndex", "x_center"}), ("?classifier=1", {"tool", "x"})])
def test_boxes_drawn_on_a_frame_come_out_of_the_export(offer, picture, person, export, server, query, keys):
    workflow = offer(drawing_task(["Cod", "Crab"]), picture)
    one = person().open(f"/classify/{workflow}{query}")
    one.drag((40, 30), (100, 80))
    one.press("Crab 0")
    one.drag((300, 170), (200, 120))
    one.press("Done")
    one.sees("1 answer saved.")
    rows = rows_of(export())
    assert rows[["label", "labels_from", "shape"]].to_numpy().tolist() == [
        ["Cod", "workflow", "rectangle"],
        ["Crab", "workflow", "rectangle"],
    ]
    # Half a pixel of the screen is what a pointer can miss.
    np.testing.assert_allclose(rows[["x", "y"]], [[40, 30], [200, 120]], atol=0.5)
    np.testing.assert_allclose(rows[["width", "height"]], [[60, 50], [100, 50]], atol=0.5)
    assert all(keys <= mark.keys() for mark in kept(server, "annotations")[0][0]["value"])


def test_newcomer_finds_the_way_to_the_end(offer, clip, person, server):
    offer(SPECIES, clip, subjects=2)
    one = person().open()
    one.page.get_by_role("link", name="Reef", exact=True).click()
    one.page.get_by_role("link", name="Classify Look").click()
    one.sees("How it works")
    one.sees("0 seen, 2 to go")
    for _ in range(2):
        assert one.page.get_by_role("button", name="Done").is_disabled()
        one.press("Nothing here")
        one.press("Done")
    one.sees("You have seen them all.")
    one.page.get_by_role("link", name="Back to the project").click()
    one.sees("2 classifications")
    assert [a[0]["value"][0]["choice"] for a in kept(server, "annotations")] == ["NOTHINGHERE"] * 2


def test_metadata_tell_how_it_was_classified(offer, picture, person, server):
    workflow = offer(drawing_task(["Cod"]), picture)
    one = person().open(f"/classify/{workflow}")
    one.drag((10, 10), (60, 60))
    one.press("Done")
    one.sees("1 answer saved.")
    (metadata,) = kept(server)
    (size,) = metadata["subject_dimensions"]
    assert (size["naturalWidth"], size["naturalHeight"]) == (WIDTH, HEIGHT)
    assert size["clientWidth"] / size["clientHeight"] == pytest.approx(WIDTH / HEIGHT, abs=0.02)
    assert metadata["viewport"] == {"width": 1280, "height": 900}
    assert metadata["started_at"] < metadata["finished_at"]
    assert re.fullmatch("[0-9a-f]{40}", metadata["session"])
    assert (metadata["live_project"], metadata["user_language"], metadata["source"]) == (True, "en", "api")
    assert "seen_before" not in metadata


def test_seen_again_is_marked(offer, clip, person, server):
    one = person().open(f"/classify/{offer(SPECIES, clip)}")
    one.press("Nothing here")
    one.press("Done")
    one.press("Look at some again")
    one.press("Nothing here")
    one.press("Done")
    one.sees("2 answers saved.")
    assert [m.get("seen_before") for m in kept(server)] == [None, True]


def test_who_signs_in_is_named_in_the_export(offer, clip, person, export):
    one = person().open(f"/classify/{offer(SPECIES, clip, subjects=2)}?gold=1")
    one.press("Nothing here")
    one.press("Done")
    one.sees("1 answer saved.")
    one.sign_in("demo")
    one.sees("Signed in as demo")
    one.sees("0 seen, 2 to go")
    one.page.reload()
    one.sees("Signed in as demo")
    one.press("Nothing here")
    one.press("Done")
    one.sees("1 answer saved.")
    one.press("Sign out")
    one.sees("Not signed in")
    one.sees("1 seen, 1 to go")
    rows = rows_of(export())
    assert rows["user_kind"].tolist() == ["anonymous", "registered"]
    assert rows["gold_standard"].tolist() == [True, True]


def test_wrong_password_is_told(offer, clip, person):
    one = person().open(f"/classify/{offer(SPECIES, clip)}")
    one.sign_in("wrong")
    one.sees("Invalid email or password.")


def test_unsent_answers_are_kept_and_sent_again(offer, clip, person, server):
    one = person().open(f"/classify/{offer(SPECIES, clip, subjects=3)}")
    server.faults.append(Fault("POST /api/classifications", 503, times=10_000))
    for _ in range(2):
        one.press("Nothing here")
        one.press("Done")
    one.sees("2 answers not sent yet")
    one.page.on("dialog", lambda dialog: dialog.accept())
    one.page.reload()
    one.sees("2 answers not sent yet")
    server.faults.clear()
    one.sees("2 seen, 1 to go")
    one.press("Try now")
    one.page.get_by_text("not sent yet").wait_for(state="hidden")
    assert len(kept(server)) == 2


def test_answer_of_who_was_signed_out_meanwhile_waits_for_them(offer, clip, person, server):
    one = person().open(f"/classify/{offer(SPECIES, clip, subjects=2)}")
    one.sign_in("demo")
    one.sees("Signed in as demo")
    server.state.run("DELETE FROM tokens")
    one.press("Nothing here")
    one.press("Done")
    one.sees("sign out and in again to send it")
    one.press("Sign out")
    one.sees("Some answers wait until demo signs in.")
    one.sign_in("demo")
    one.sees("1 seen, 1 to go")
    assert [r["user_id"] for r in server.state.rows("SELECT user_id FROM classifications")] == [1]


def test_answer_whose_confirmation_was_lost_is_recorded_once(offer, clip, person, server):
    one = person().open(f"/classify/{offer(SPECIES, clip, subjects=2)}")
    server.faults.append(Fault("POST /api/classifications", 504, after=True))
    one.press("Nothing here")
    one.press("Done")
    one.sees("1 answer saved.")
    assert len(kept(server)) == 1


def test_refused_answer_is_told_with_its_reason(offer, clip, person, server):
    one = person().open(f"/classify/{offer(SPECIES, clip, subjects=2)}")
    one.page.route(
        "**/api/classifications",
        lambda route: route.continue_(post_data=route.request.post_data.replace("NOTHINGHERE", "UNICORN")),
    )
    one.press("Nothing here")
    one.press("Done")
    one.sees("'UNICORN' is none of the choices")
    one.press("Discard it")
    assert kept(server) == []


def test_server_that_is_gone_is_told_and_found_again(offer, clip, person, server):
    workflow = offer(SPECIES, clip)
    server.faults.append(Fault("GET /api/workflows", status=0, times=10_000))
    one = person().open(f"/classify/{workflow}")
    one.sees("The sandbox does not answer.")
    server.faults.clear()
    one.press("Try again")
    one.sees("What do you see?")


def test_boxes_are_moved_resized_removed_and_undone(offer, picture, person, export):
    one = person().open(f"/classify/{offer(drawing_task(['Cod']), picture)}")
    one.drag((40, 40), (80, 80))
    one.drag((60, 60), (110, 70))  # move
    one.drag((130, 90), (150, 120))  # lower right corner
    one.drag((200, 100), (240, 140))
    one.press("Remove Cod 1")
    one.press("Undo")
    one.press("Undo")
    one.press("Done")
    one.sees("answer saved.")
    np.testing.assert_allclose(rows_of(export())[["x", "y", "width", "height"]], [[90, 50, 60, 70]], atol=1)


def test_box_is_drawn_by_the_keyboard(offer, picture, person, export):
    one = person().open(f"/classify/{offer(drawing_task(['Cod']), picture)}")
    one.spot(0, 0)
    one.page.get_by_role("button", name="Add a box for Cod in the middle").focus()
    for key in ("Enter", "ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown"):
        one.page.keyboard.press(key)
    one.press("Done")
    one.sees("1 answer saved.")
    np.testing.assert_allclose(rows_of(export())[["x", "y", "width", "height"]], [[125, 69, 67, 39]], atol=0.01)


def test_finger_draws_on_a_phone(offer, picture, person, server):
    one = person(width=390, touch=True).open(f"/classify/{offer(drawing_task(['Cod']), picture)}")
    (x0, y0), (x1, y1) = one.spot(50, 50), one.spot(150, 120)
    touch = one.context.new_cdp_session(one.page)
    for kind, points in (
        ("touchStart", [(x0, y0)]),
        ("touchMove", [(x0 + 20, y0 + 20)]),
        ("touchMove", [(x1, y1)]),
        ("touchEnd", []),
    ):
        at = [{"x": x, "y": y} for x, y in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
    one.sees("Cod 1")
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 390
    one.press("Done")
    one.sees("1 answer saved.")
    (mark,) = kept(server, "annotations")[0][0]["value"]
    assert (mark["width"], mark["height"]) == (pytest.approx(100, abs=1), pytest.approx(70, abs=1))


def test_larger_picture_is_drawn_on_at_the_same_place(offer, picture, person, export):
    one = person().open(f"/classify/{offer(drawing_task(['Cod']), picture)}")
    one.spot(0, 0)
    one.press("Larger")
    one.press("Larger")
    one.drag((20, 20), (80, 60))
    one.press("Done")
    one.sees("1 answer saved.")
    np.testing.assert_allclose(rows_of(export())[["x", "y", "width", "height"]], [[20, 20, 60, 40]], atol=0.5)


@pytest.mark.parametrize("query", ["", "?classifier=1"])
def test_details_of_marks_and_frames_come_out_of_the_export(offer, picture, person, export, query):
    tool = {"type": "rectangle", "label": "Cod", "color": "#ff0000", "min": "1", "max": "1"}
    age = {"type": "single", "question": "Young?", "required": True, "answers": [{"label": "Yes"}, {"label": "No"}]}
    tasks = {"T0": {"type": "drawing", "instruction": "Draw", "tools": [{**tool, "details": [age]}]}}
    one = person().open(f"/classify/{offer(extract_strings(tasks), picture, picture)}{query}")
    one.spot(0, 0)
    one.press("Show 2 of 2")
    done = one.page.get_by_role("button", name="Done")
    one.sees("Draw at least 1 of Cod.")
    one.drag((20, 20), (80, 60))
    one.sees("Answer the questions about Cod 1.")
    one.answer("Young?", "No")
    one.drag((120, 20), (180, 60))
    one.sees("No more than 1 mark of this kind.")
    done.click()
    one.sees("1 answer saved.")
    (row,) = rows_of(export()).to_dict("records")
    assert (row["label"], row["frame"], json.loads(row["raw"])[0]["value"]) == ("Cod", 1, 1)


def test_questions_lead_from_one_to_the_next(offer, picture, person, export):
    tasks = {
        "T0": {
            "type": "single",
            "question": "Anything?",
            "required": True,
            "answers": [{"label": "Yes", "next": "T1"}, {"label": "No"}],
        },
        "T1": {"type": "multiple", "question": "What?", "answers": [{"label": n} for n in "ABC"], "next": "T2"},
        "T2": {"type": "text", "instruction": "Tell more", "required": True, "next": "T3"},
        "T3": {"type": "slider"},
    }
    one = person().open(f"/classify/{offer(extract_strings(tasks), picture)}")
    one.answer("Anything?", "Yes")
    one.press("Next")
    for name in "AC":
        one.page.get_by_role("checkbox", name=name).check()
    one.press("Back")
    one.press("Next")  # what was answered is still there
    one.page.get_by_role("checkbox", name="B", exact=True).check()
    one.press("Next")
    one.page.get_by_label("Tell more").fill("a <b>shy</b> one")
    one.press("Next")
    one.sees("This page cannot ask tasks of type slider")
    one.press("Done")
    one.sees("1 answer saved.")
    answers = rows_of(export())[["label", "raw"]].fillna("").sum(axis=1).tolist()
    assert answers == ["Yes", "A", "B", "C", '"a <b>shy</b> one"']


def test_names_are_found_and_evil_ones_are_text(offer, clip, person):
    evil = "<img src=x onerror=alert(1)>"
    one = person().open(f"/classify/{offer(survey_task([evil, 'Ängel', *map(str, range(9))]), clip)}")
    one.page.get_by_label("Find a name").fill("angel")
    names = one.page.locator(".choices:not(.nothing) button:visible")
    assert names.all_inner_texts() == ["Ängel"]
    one.page.get_by_label("Find a name").fill("IMG")
    assert names.all_inner_texts() == [evil]
    one.press("Nothing here")  # the page's own, where the survey has no such choice
    one.press("Done")
    one.sees("1 answer saved.")


def test_clip_is_played_slowly_and_frame_by_frame(offer, clip, person):
    one = person().open(f"/classify/{offer(SPECIES, clip)}")
    movie = one.page.locator("video")
    movie.evaluate("m => new Promise(ready => m.readyState > 2 ? ready() : m.addEventListener('canplay', ready))")
    assert movie.evaluate("m => [m.loop, m.muted]") == [True, True]
    one.page.get_by_label("Speed").select_option("0.25")
    assert movie.evaluate("m => m.playbackRate") == 0.25
    one.page.get_by_label("Time in the clip").fill("1")
    before = movie.evaluate("m => m.currentTime")
    one.press("One frame on")
    assert movie.evaluate("m => [m.paused, m.currentTime]") == [True, pytest.approx(before + 0.04, abs=0.005)]


def test_medium_elsewhere_and_broken_ones_are_told(offer, person):
    elsewhere = offer(SPECIES, ("image/png", "https://example.org/c.png"), ("image/png", b"no picture"))
    one = person().open(f"/classify/{elsewhere}")
    one.sees("This file lies elsewhere")
    one.press("Show 2 of 2")
    one.sees("This file cannot be shown")


def test_metadata_are_shown_except_hidden_ones(offer, clip, person, server):
    workflow = offer(SPECIES, clip)
    (subject,) = (server.state.get("subjects", i) for i in server.state.find("subjects", workflow_id=workflow))
    known = {"Site": "Inner reef", "#kso_key": "secret1", "//note": "secret2", "!species": "secret3", "depth": 12}
    server.state.change(subject, {**subject.body, "metadata": known})
    one = person().open(f"/classify/{workflow}")
    one.page.get_by_text("About this subject").click()
    one.sees("Inner reef")
    one.sees("12")
    assert "secret" not in one.page.content()


def test_workflow_without_subjects_says_so(offer, person):
    one = person().open(f"/classify/{offer(SPECIES, subjects=0)}")
    one.sees("Nothing to classify yet")


def test_finished_workflow_says_so(offer, clip, person):
    workflow = offer(SPECIES, clip, retire_after=1)
    first, second = person().open(f"/classify/{workflow}"), person()
    first.press("Nothing here")
    first.press("Done")
    first.sees("All subjects here have been seen by enough people.")
    second.open(f"/classify/{workflow}")
    second.sees("All subjects here have been seen by enough people.")
    assert second.open().page.get_by_role("link", name="Classify Look").count() == 0
