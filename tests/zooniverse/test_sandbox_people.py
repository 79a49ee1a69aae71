import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import ConfigError
from kso_utils.zooniverse.answers import flatten
from kso_utils.zooniverse.sandbox import simulation
from kso_utils.zooniverse.sandbox.judging import check_annotations
from kso_utils.zooniverse.sandbox.people import Person, behave, gather, modernise
from kso_utils.zooniverse.sandbox.perception import Rates
from kso_utils.zooniverse.sandbox.simulation import attend, simulate
from kso_utils.zooniverse.sandbox.tasks import drawing_task, extract_strings, inject_strings, survey_task

LABELS = ["Atlantic cod", "Edible crab"]
SURVEY = survey_task([*LABELS, "Nothing here"], length_s=4, most=5)
DRAWING = drawing_task(LABELS)
EXACT = Rates(miss=0, invent=0, confuse=0, edge=0, recount=0, delay_s=0)
AGE = {"type": "single", "question": "Young?", "answers": [{"label": "Yes"}, {"label": "No"}]}
ALL_KINDS = {
    **inject_strings(*SURVEY),
    "T1": {"type": "drawing", "tools": [{"type": "rectangle", "label": "a", "details": [AGE]}, {"type": "point"}]},
    "T2": {"type": "single", "answers": [{"label": "Yes"}, {"label": "No"}]},
    "T3": {"type": "multiple", "answers": [{"label": "A"}, {"label": "B"}]},
    "T4": {"type": "text"},
    "T5": {"type": "slider"},
}


def subject(number=1, **metadata):
    return {"id": str(number), "metadata": metadata}


def seen(*rows):
    return pd.DataFrame(rows, columns=["subject_id", "label", "how_many", "first_seen_s"])


def says(person, tasks, truth, of=None, seed=0):
    (annotation,) = behave(inject_strings(*tasks), [person], truth, seed)(of or subject(), 0)
    return annotation["value"]


@pytest.mark.parametrize("as_function", [False, True])
def test_a_perfect_person_tells_the_truth_in_the_answers_on_offer(as_function):
    table = seen((1, "Edible crab", 9, 3.7), (2, "Atlantic cod", 1, 0))
    truth = (lambda shown: table[table["subject_id"] == int(shown["id"])]) if as_function else table
    crab = {"choice": "EDIBLECRAB", "answers": {"HOWMANY": "5", "FIRSTSEEN": "3S"}, "filters": {}}
    assert says(Person("a", EXACT), SURVEY, truth) == [crab]
    assert says(Person("a", EXACT), SURVEY, truth, subject(7))[0]["choice"] == "NOTHINGHERE"


def test_where_nothing_cannot_be_chosen_nothing_is():
    assert says(Person("a", EXACT), survey_task(LABELS), seen()) == []


def test_a_perfect_person_draws_the_true_boxes():
    box = {"subject_id": 1, "label": "Edible crab", "x": 10, "y": 20, "width": 30, "height": 40}
    (mark,) = says(Person("a", EXACT), DRAWING, pd.DataFrame([box]))
    assert (mark["tool"], mark["x"], mark["y"], mark["width"], mark["height"]) == (1, 10, 20, 30, 40)


def test_who_is_blank_says_nothing():
    value = says(Person("a", EXACT, blank=1), SURVEY, seen((1, "Edible crab", 1, 0)))
    assert [choice["choice"] for choice in value] == ["NOTHINGHERE"]


def test_share_of_blanks_is_kept():
    tell = behave(inject_strings(*SURVEY), [Person("a", EXACT, blank=0.3)], lambda _: seen((1, "Edible crab", 1, 0)))
    blanks = [tell(subject(n), 0)[0]["value"][0]["choice"] == "NOTHINGHERE" for n in range(1000)]
    assert np.mean(blanks) == pytest.approx(0.3, abs=0.04)


def test_spam_does_not_depend_on_what_is_there():
    same, chance = Person("a", spam="same"), Person("b", spam="random")
    tell = behave(inject_strings(*SURVEY), [same, chance], seen((1, "Edible crab", 1, 0)))
    answers = [[json.dumps(tell(subject(n), person)) for n in range(30)] for person in (0, 1)]
    assert len(set(answers[0])) == 1
    assert len(set(answers[1])) > 10


def test_what_is_said_hangs_on_what_is_known_of_a_subject_not_on_its_number():
    tell = behave(inject_strings(*SURVEY), [Person("a")])
    assert tell(subject(1, name="x.mp4"), 0) == tell(subject(2, name="x.mp4"), 0)
    assert len({json.dumps(tell(subject(n), 0)) for n in range(30)}) > 5


@pytest.mark.parametrize(
    ("truth", "reason"),
    [
        (seen((1, "Unicorn", 1, 0)), "The truth names Unicorn, which task T0 does not offer, but Atlantic cod"),
        (seen((1, "Edible crab", 1, 0)).drop(columns="how_many"), "how_many is missing"),
    ],
)
def test_truth_that_does_not_fit_is_refused(truth, reason):
    with pytest.raises(ConfigError, match=reason):
        says(Person("a"), SURVEY, truth)


@given(seed=st.integers(0, 2**32), number=st.integers(0, 5))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_answers_by_chance_are_answers_in_both_generations(seed, number):
    annotations = behave(ALL_KINDS, gather(6), seed=seed)(subject(), number)
    assert [a["task"] for a in annotations] == ["T0", "T1", "T2", "T3", "T4"]
    check_annotations(annotations, ALL_KINDS, frames=1)
    check_annotations(modernise(annotations, ALL_KINDS), ALL_KINDS, frames=1)


def test_both_generations_come_out_of_the_export_alike(server, offer, export):
    details = extract_strings({"T0": {"type": "drawing", "tools": [ALL_KINDS["T1"]["tools"][0]]}})
    people = [Person("old", generation=1), Person("new", generation=2)]
    # One behaviour for both, so that they say the same.
    tell = behave(inject_strings(*details), people[:1], seed=3)
    simulate(server, offer(details, subjects=9), lambda shown, person: tell(shown, 0), people)
    exports = export()
    rows = flatten(exports.classifications, exports.workflows).sort_values("subject_id", kind="stable")
    columns = ["subject_id", "label", "labels_from", "shape", "frame", "x", "y", "width", "height"]
    old, new = (rows.loc[rows["user"] == name, [*columns, "raw"]].reset_index(drop=True) for name in ("old", "new"))
    assert old["shape"].notna().any()
    pd.testing.assert_frame_equal(old[columns], new[columns], check_exact=False)
    given = [[json.loads(raw)[0]["value"] for raw in one["raw"].dropna()] for one in (old, new)]
    assert given[0] == given[1]


def test_truth_comes_out_of_the_export_as_each_person_is_able_to_see_it(server, offer, export):
    workflow = offer(SURVEY, subjects=40)
    subjects = server.state.find("subjects", workflow_id=workflow)
    truth = seen(*((s, "Edible crab", 3, 1.2) for s in subjects))
    people = [
        Person("sharp", EXACT),
        Person("weak", Rates(miss=0.5, invent=0), generation=2),
        Person("spam", spam="same"),
    ]
    simulate(server, workflow, people=people, truth=truth, seed=2)
    exports = export()
    rows = flatten(exports.classifications, exports.workflows)
    said = {name: of.set_index("subject_id")["label"] for name, of in rows.groupby("user")}
    assert (said["sharp"] == "Edible crab").all()
    assert rows.loc[rows["user"] == "sharp", ["how_many", "first_seen_s"]].drop_duplicates().to_numpy().tolist() == [
        [3, 1]
    ]
    assert 8 <= (said["weak"] == "Edible crab").sum() <= 32
    assert said["spam"].fillna("nothing").groupby(level=0).agg(tuple).nunique() == 1


def test_repeats_are_marked_and_only_made_by_who_repeats(server, offer):
    workflow = offer(SURVEY, subjects=10)
    people = [Person("once"), Person("twice", repeat=1), Person(None, repeat=1)]
    assert simulate(server, workflow, people=people) == 50
    assert simulate(server, workflow, people=people) == 0
    rows = server.state.rows("SELECT c.metadata, login FROM classifications c LEFT JOIN users u ON u.id = c.user_id")
    again = [r["login"] for r in rows if json.loads(r["metadata"]).get("seen_before")]
    assert sorted(again, key=str) == [None] * 10 + ["twice"] * 10


def test_people_who_are_not_logged_in_are_told_apart(server, offer, export):
    simulate(server, offer(SURVEY, subjects=2), people=[Person(None), Person(None), Person("known")])
    classifications = export().classifications
    assert classifications["user_kind"].value_counts().to_dict() == {"anonymous": 4, "registered": 2}
    assert classifications["user"].nunique() == 3


def test_rehearsing_people_see_what_waits_until_it_is_retired(server, offer):
    workflow = offer(SURVEY, subjects=3, retire_after=2)
    assert attend(server, people=5) == 6
    assert attend(server, people=5) == 0
    offer(SURVEY, name="More")
    assert attend(server, people=3, seed=1) == 3
    generations = {
        json.loads(r[0]).get("classifier_version") for r in server.state.rows("SELECT metadata FROM classifications")
    }
    assert generations == {None, "2.0"}
    statuses = server.state.rows("SELECT retired_at FROM statuses WHERE workflow_id = ?", (workflow,))
    assert all(r["retired_at"] for r in statuses)


def test_inactive_workflows_are_left_alone(server, session, offer):
    workflow = server.state.get("workflows", offer(SURVEY))
    server.state.change(workflow, {**workflow.body, "active": False})
    assert attend(server, people=2) == 0


class Sleeps:
    """Passes for the module `time`: uploads a subject at the first nap, and ends the third."""

    def __init__(self, upload):
        self.naps, self.upload = 0, upload

    def sleep(self, seconds):
        self.naps += 1
        if self.naps == 1:
            self.upload()
        if self.naps == 3:
            raise KeyboardInterrupt


def test_rehearsing_people_come_back_for_what_is_new(server, offer, monkeypatch):
    monkeypatch.setattr(simulation, "time", Sleeps(lambda: offer(SURVEY, subjects=2)))
    with pytest.raises(KeyboardInterrupt):
        simulation.rehearse(server, people=2)
    assert len(server.state.rows("SELECT id FROM classifications")) == 4


def test_broken_workflow_does_not_stop_the_server(server, offer, caplog):
    offer(extract_strings({"T0": {"type": "single", "question": "No answers?"}}))
    simulation.rehearse(server, people=1)
    assert "stay away" in caplog.text
