"""How good the volunteers' answers are, and which subjects somebody should look at again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from kso_utils.annotations.volunteers import read_run
from kso_utils.consensus import comparison, followup, quality, retirement
from kso_utils.consensus.replay.caesar import fixed_rules, read_caesar_rules, serengeti_rules
from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.core.progress import bar
from kso_utils.metadata.records import name_place
from kso_utils.metadata.sheets import load_sheet
from kso_utils.metadata.taxa import match_labels
from kso_utils.project.steps.consensus import TABLES, find_gold, list_workflows, read_votes
from kso_utils.project.steps.exporting import write_table
from kso_utils.project.steps.uploading import project_number
from kso_utils.zooniverse import visibility

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kso_utils.consensus.clip_labels import ClipRule
    from kso_utils.consensus.comparison import Comparison
    from kso_utils.consensus.quality import Quality
    from kso_utils.consensus.retirement import RetirementRule, Simulation
    from kso_utils.project.opening import Project
    from kso_utils.zooniverse.session import Session

T = TypeVar("T")
_NUMBERS = ("how_many", "confidence")
_LARGEST = 2**63 - 1


def assess(project: Project, experts: pd.DataFrame | None = None) -> Quality:
    """Return how far the people who looked at clips agree, and how well each of them sees, as `consensus.assess` does.

    Parameters
    ----------
    project
        The project; the rule is that of its settings.
    experts
        What experts say, as `load_labels` gives it; people are then measured by it, else by each other.

    Raises
    ------
    ConfigError
        If no classification of clips has been pulled.
    """

    def work(votes: pd.DataFrame) -> Quality:
        gold = None if experts is None else speak_alike(project, experts, votes["label"])
        return quality.assess(votes, project.settings.consensus.clip_rule(), gold)

    return _with_votes(project, "Quality", work)


def compare_with_experts(project: Project, experts: pd.DataFrame, run_id: int | None = None) -> Comparison:
    """Return how well what people agreed on in clips fits what experts say, as `consensus.compare` does.

    Parameters
    ----------
    project
        The project.
    experts
        What experts say, as `load_labels` gives it.
    run_id
        The run of consensus; the latest by default.

    Raises
    ------
    ConfigError
        If there is no such run.
    """
    run = read_run(project.store, "clip", run_id)
    if run is None:
        raise ConfigError("There is no such consensus about clips. Make one with: kso aggregate clip")
    rows, subjects = (
        project.store.read(name, where={"run_id": run["id"]}) for name in (TABLES["clip"], "agg_subjects")
    )
    return comparison.compare(rows, speak_alike(project, experts, rows["label"]), subjects)


def find_unsure(project: Project, limit: int | None = None, method: str | None = None) -> pd.DataFrame:
    """Return the clips whose consensus is unsure, as `consensus.find_unsure` does.

    Parameters
    ----------
    project
        The project; the rule is that of its settings.
    limit
        So many clips at most.
    method
        In place of that of the settings; not `kso`, which counts no people.

    Raises
    ------
    ConfigError
        If no classification of clips has been pulled, or the method is `kso`.
    """
    rule = _choose_rule(project, method)

    def work(votes: pd.DataFrame) -> pd.DataFrame:
        return followup.find_unsure(votes, rule, limit, gold=find_gold(votes, rule))

    return _with_votes(project, "Unsure clips", work)


def find_settled(project: Project, path: str | Path | None = None, method: str | None = None) -> pd.DataFrame:
    """Return the clips whose consensus is sure, which nobody needs to look at any more; as `consensus.find_settled`.

    Parameters
    ----------
    project, method
        As for `find_unsure`.
    path
        A CSV file to write them into, as `kso retire` takes it.

    Raises
    ------
    ConfigError
        As for `find_unsure`.
    """
    rule = _choose_rule(project, method)

    def work(votes: pd.DataFrame) -> pd.DataFrame:
        return followup.find_settled(votes, rule, gold=find_gold(votes, rule))

    found = _with_votes(project, "Sure clips", work)
    if path is not None:
        write_table(found, Path(path), "csv")
    return found


def ask_experts(
    project: Project, session: Session, subject_ids: Iterable[int], subject_set: str, dry_run: bool = False
) -> pd.DataFrame:
    """Put subjects into a subject set for experts, as `zooniverse.fill_set` does.

    The set is to be shown in a workflow of its own (`link_sets`): in the workflow that the subjects are retired from it
    would change nothing.
    """
    return visibility.fill_set(session, project_number(project), subject_set, subject_ids, dry_run=dry_run)


def simulate_retirement(
    project: Project,
    rules: str,
    truth: pd.DataFrame | None = None,
    predictions: pd.DataFrame | None = None,
    method: str | None = None,
) -> Simulation:
    """Return what a rule for retiring clips would have saved and cost, as `consensus.simulate_retirement` does.

    Parameters
    ----------
    project, method
        As for `find_unsure`.
    rules
        As for `choose_rules`.
    truth, predictions
        What experts say and what a model sees, as `load_labels` gives them.

    Raises
    ------
    ConfigError
        If there are no such rules, or no classification of clips has been pulled.
    """
    rule = _choose_rule(project, method)
    chosen = choose_rules(rules, rule.min_people)

    def work(votes: pd.DataFrame) -> Simulation:
        known, seen = (
            None if table is None else speak_alike(project, table, votes["label"]) for table in (truth, predictions)
        )
        return retirement.simulate_retirement(votes, chosen, rule, known, seen, find_gold(votes, rule))

    return _with_votes(project, "Retirement", work)


def choose_rules(name: str, min_people: int = 1) -> RetirementRule:
    """Return rules for retiring subjects: `information`, `serengeti`, a number of votes, or a file of Caesar's.

    Parameters
    ----------
    name
        Which.
    min_people
        For `information`: how many people must have looked before a subject is retired.

    Raises
    ------
    ConfigError
        If it is none of these.
    """
    if name == "information":
        return retirement.InformationRule(min_people=min_people)
    if name == "serengeti":
        return serengeti_rules()
    if name.isascii() and name.isdigit():
        return fixed_rules(int(name))
    try:
        config = json.loads(Path(name).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"{name!r} names no retirement rules. Give information, serengeti, a number of votes, or the file of a "
            "workflow's rules on Caesar (JSON)."
        ) from error
    except ValueError as error:
        raise ConfigError(f"{name} is not JSON: {error}.") from error
    try:
        return read_caesar_rules(config)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error


def load_labels(path: str | Path) -> pd.DataFrame:
    """Read what experts or a model say of subjects from a table (CSV or Excel).

    Returns
    -------
    DataFrame
        `subject_id` (int64), `label` (None where nothing was found), and where the file has them `how_many` and
        `confidence` (float64).

    Raises
    ------
    MetadataError
        If the file cannot be read, lacks a column, or holds something else in one; the message names the line.
    """
    file = Path(path)
    sheet = load_sheet(file)
    table = pd.DataFrame(sheet.rows, columns=[header.casefold() for header in sheet.header])
    missing = [name for name in ("subject_id", "label") if name not in table]
    if missing:
        raise MetadataError(f"{file} has no column {', '.join(missing)}. It has: {', '.join(sheet.header)}.")
    for text, line in zip(table["subject_id"], sheet.lines, strict=True):
        if not (text.isascii() and text.isdigit() and int(text) <= _LARGEST):
            raise MetadataError(f"{name_place(file, line, 'subject_id')}: {text!r} is not the id of a subject.")
    labels = pd.Series([text or None for text in table["label"]], dtype="object")
    found = pd.DataFrame({"subject_id": table["subject_id"].astype("int64"), "label": labels})
    for name in (name for name in _NUMBERS if name in table):
        found[name] = [_number(text, file, line, name) for text, line in zip(table[name], sheet.lines, strict=True)]
    return found


def speak_alike(project: Project, labels: pd.DataFrame, spoken: pd.Series[str]) -> pd.DataFrame:
    """Return rows of labels in the words of the volunteers, where both name one species of the store.

    Parameters
    ----------
    project
        The project.
    labels
        Rows with `label`.
    spoken
        The labels that volunteers give.
    """
    species = project.store.read("species")
    theirs = match_labels(sorted(spoken.dropna().unique()), species).dropna(subset=["species_id"])
    ours = match_labels(sorted(labels["label"].dropna().unique()), species).dropna(subset=["species_id"])
    words = theirs.drop_duplicates("species_id", keep=False).set_index("species_id")["label"]
    known = set(spoken.dropna())
    change = {row.label: words.get(row.species_id) for row in ours.itertuples() if row.label not in known}
    return labels.assign(label=[change.get(label) or label for label in labels["label"]])


def _choose_rule(project: Project, method: str | None) -> ClipRule:
    rule = project.settings.consensus.clip_rule(method=method)
    if rule.compat:
        raise ConfigError(
            "The method kso counts classifications, not people, and cannot tell what is unsure. "
            "Give another, as with: --method plurality"
        )
    return rule


def _number(text: str, file: Path, line: int, column: str) -> float:
    try:
        value = float(text) if text else math.nan
    except ValueError:
        raise MetadataError(f"{name_place(file, line, column)}: {text!r} is not a number.") from None
    return value


def _with_votes(project: Project, label: str, work: Callable[[pd.DataFrame], T]) -> T:
    """Return what is found out from the votes on clips, with progress shown."""
    with bar(label, 2) as progress:
        votes = read_votes(project, "clip", list_workflows(project, "clip"))
        progress.advance()
        found = work(votes)
        progress.advance()
    return found
