"""`kso check-archive`: what it prints and its exit code."""

import csv
import json

from kso_utils.cli import main


def test_an_archive_that_passes_is_told_with_code_0(archive, tmp_path, capsys):
    assert main(["check-archive", str(archive.save_zip(tmp_path / "a.zip"))]) == 0
    assert "no findings" in capsys.readouterr().out


def test_a_flaw_is_told_for_people_machines_and_spreadsheets_with_code_1(archive, tmp_path, capsys):
    archive.events[2]["countryCode"] = "Sweden"
    path, table = archive.save_folder(tmp_path / "a"), tmp_path / "findings.csv"
    assert main(["check-archive", str(path), "--csv", str(table)]) == 1
    assert "ERROR COUNTRY_INVALID [event.txt line 4, countryCode]" in capsys.readouterr().out
    assert main(["check-archive", str(path), "--json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)
    (written,) = csv.DictReader(table.open(encoding="utf-8"))
    assert told["code"] == written["code"] == "COUNTRY_INVALID"


def test_many_flaws_of_one_kind_are_told_in_brief_unless_all_are_asked_for(archive, tmp_path, capsys):
    for event in archive.events[1:]:
        archive.events.append({**event, "eventID": event["eventID"] + "x", "countryCode": "Sweden"})
        event["countryCode"] = "Norway"
    path = str(archive.save_zip(tmp_path / "a.zip"))
    main(["check-archive", path])
    brief = capsys.readouterr().out
    main(["check-archive", path, "--verbose"])
    whole = capsys.readouterr().out
    assert brief.count("COUNTRY_INVALID") == 4
    assert "--verbose" in brief
    assert whole.count("COUNTRY_INVALID") == 6


def test_nothing_at_the_path_is_one_sentence(tmp_path, capsys):
    assert main(["check-archive", str(tmp_path / "none.zip")]) == 1
    assert capsys.readouterr().err.startswith("kso: There is no archive")
