"""`project.toml`: read strictly, written so that it reads back equal."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.consensus import ClipRule, MarkRule, VoteRule
from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.project.settings import (
    AnswerSettings,
    ConsensusSettings,
    MarkSettings,
    Settings,
    TableSettings,
    WorkflowSettings,
    ZooniverseSettings,
    format_settings,
    load_settings,
    parse_settings,
)
from kso_utils.zooniverse.matching.eras import Era

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    name=TEXT,
    columns=st.dictionaries(TEXT, TEXT, max_size=3),
    nothing=st.lists(TEXT, max_size=3),
    values=st.dictionaries(TEXT, st.floats(-1e6, 1e6), max_size=3),
)
def test_settings_survive_writing_and_reading(
    name: str, columns: dict[str, str], nothing: list[str], values: dict[str, float]
) -> None:
    answers = AnswerSettings(values=values)
    eras = [Era("{movie}_{start}.mp4", 10.0, since="2019-11-17"), Era(f"{{start}}{name}{{movie}}", 5.0, ending=".mov")]
    ours = Settings(
        name,
        tables=TableSettings(columns={"movies": columns}, files={"movies": "a.csv"}),
        zooniverse=ZooniverseSettings(
            12, "http://127.0.0.1:1", [WorkflowSettings(3, "clip", nothing)], answers, "twice.csv", eras
        ),
    )
    assert parse_settings(tomllib.loads(format_settings(ours)), "x") == ours


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nam = 'x'", "unknown setting nam"),
        ("name = 1", "name must be text"),
        ("name = 'x'\n[tables]\nfolder = 3", "tables.folder must be text"),
        ("name = 'x'\n[tables]\ndecimal = ';'", "tables.decimal is ';'; give '.' or ','"),
        ("name = 'x'\n[tables]\ndates = 'DD/MM/YY'", "tables.dates is 'DD/MM/YY'; give YYYY, MM and DD"),
        ("name = 'x'\n[tables]\ntime_zone = 'Sweden/Stockholm'", "tables.time_zone: There is no time zone"),
        ("name = 'x'\n[tables]\nrenames = ['a.csv']", "tables.renames must be text"),
        ("name = 'x'\n[tables]\nfiles = 3", "tables.files must be a table"),
        ("name = 'x'\n[[zooniverse.workflows]]\nid = 1", "zooniverse.workflows[0].kind is missing"),
        ("name = 'x'\n[[zooniverse.workflows]]\nid = 1\nkind = 'photo'", "give 'clip' or 'frame'"),
        ("name = 'x'\n[zooniverse]\nworkflows = 1", "must be a list of tables"),
        (
            "name = 'x'\n[[zooniverse.eras]]\nname = '{movie}_{start}.mp4'",
            "zooniverse.eras[0].clip_length_s is missing",
        ),
        (
            "name = 'x'\n[[zooniverse.eras]]\nname = 'x'\nclip_length_s = 1",
            "zooniverse.eras[0] is wrong. The name",
        ),
        ("name = 'x'\n[zooniverse]\nproject_id = true", "project_id must be a whole number"),
        ("name = 'x'\nzooniverse = 3", "zooniverse must be a table"),
        ("name = 'x'\n[zooniverse.answers]\nhow_many = 'A'", "how_many must be a list"),
        ("name = 'x'\n[consensus]\nagreement = 1.5", "consensus is wrong. agreement is 1.5"),
        ("name = 'x'\n[clips]\nlength_s = 0", "must be positive"),
        ("name = 'x'\n[clips]\nlength_s = nan", "must be positive"),
        ("name = 'x'\n[clips]\nmodifications = [{ blurr = {} }]", "clips.modifications is wrong. There is no"),
        ("name = 'x'\n[clips]\nmodifications = [3]", "must be a table"),
        ("name = 'x'\n[taxonomy]\nurl = 'http://a.org'", "taxonomy.url is wrong"),
        ("name = 'x'\n[consensus]\nmin_people = 0", "consensus is wrong. min_people is 0"),
        ("name = 'x'\n[consensus]\nmethod = 'dice'", "consensus is wrong. method is 'dice'; give one of"),
        ("name = 'x'\n[consensus.marks]\niou = 0", "consensus is wrong. iou is 0"),
        ("name = 'x'\n[consensus.votes]\nsince = 'soon'", "consensus.votes is wrong. since is 'soon'; give a date"),
        ("name = 'x'\n[consensus.votes]\nlive_only = 1", "consensus.votes.live_only must be true or false"),
        ("name = 'x'\n[consensus.votes]\nfirst_version = [3]", "first_version must be the two numbers of a version"),
        ("name = 'x'\n[consensus.votes]\nusers = 'ann'", "consensus.votes.users must be a list"),
        ("[tables]\n", "name is missing"),
        ("x", "not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "project.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_settings(file)
    assert says in str(error.value)
    assert str(file) in str(error.value)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="kso init"):
        load_settings(tmp_path / "project.toml")


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "project.toml"
    file.write_bytes("name = 'Å'".encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_settings(file)


def test_a_whole_number_is_taken_for_a_number(tmp_path: Path) -> None:
    assert parse_settings(tomllib.loads("name = 'x'\n[clips]\nlength_s = 5"), "x").clips.length_s == 5.0


def test_modifications_of_clips_are_written_as_they_are_read() -> None:
    text = "name = 'x'\n[clips]\nmodifications = [{ curves = {} }, { blur = { boxes = [[0, 0, 1, 0.1]] } }]"
    ours = parse_settings(tomllib.loads(text), "x")
    assert parse_settings(tomllib.loads(format_settings(ours)), "x") == ours
    assert "modifications = [{ curves = {} }, { blur = { boxes = [[0, 0, 1, 0.1]] } }]" in format_settings(ours)


def test_rules_of_consensus_are_written_as_they_are_read() -> None:
    text = """
        name = "x"
        [consensus]
        method = "plurality"
        [consensus.marks]
        agreement = 0.4
        [consensus.votes]
        live_only = false
        tasks = ["T3"]
        first_version = [12, 3]
        not_users = ["bob"]
    """
    ours = parse_settings(tomllib.loads(text), "x")
    assert ours.consensus.votes == VoteRule(live_only=False, tasks=("T3",), first_version=(12, 3), not_users=("bob",))
    assert parse_settings(tomllib.loads(format_settings(ours)), "x") == ours


def test_a_share_holds_for_clips_and_frames_unless_marks_have_their_own() -> None:
    ours = ConsensusSettings(agreement=0.6)
    assert (ours.clip_rule().agreement, ours.mark_rule().agreement) == (0.6, 0.6)
    assert ConsensusSettings(agreement=0.6, marks=MarkSettings(agreement=0.3)).mark_rule().agreement == 0.3
    assert ConsensusSettings().mark_rule() == MarkRule()
    assert ConsensusSettings().clip_rule() == ClipRule()


def test_another_method_asks_for_its_own_share() -> None:
    ours = ConsensusSettings(agreement=0.6)
    assert ours.clip_rule(method="plurality").least == 0
    assert ours.clip_rule(method="share").least == 0.6
    assert ours.clip_rule(0.5, method="plurality").least == 0.5
