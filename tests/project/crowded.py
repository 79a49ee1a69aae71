"""A project without footage whose store holds what simulated volunteers said of clips and frames."""

from pathlib import Path

import pandas as pd

from kso_utils.project.opening import Project
from kso_utils.project.settings import Settings, TemplateSettings, WorkflowSettings, ZooniverseSettings
from kso_utils.store.engine import Store
from kso_utils.testing.crowd import simulate_crowd

CLIPS, FRAMES = 40, 4
SECRET = "Secret bank"
FORMULA = "=HYPERLINK(1)"


def make_crowd_project(folder: Path) -> Path:
    """Make a project of two sites, one of them sensitive: 40 clips at which five people looked, 4 frames, three people.

    The store knows the first species of the clips, and not the others. Frames 901 and 902 hold a cod in a box, 903 one
    at a point, 904 nothing. The first person's name is a formula.
    """
    joined = ZooniverseSettings(1, workflows=[WorkflowSettings(7, "clip"), WorkflowSettings(8, "frame")])
    settings = Settings("crowd", zooniverse=joined, metadata=TemplateSettings(sensitive_sites=[SECRET]))
    folder.mkdir()
    Project(folder, settings).save_settings(settings)
    with Project.open(folder) as project:
        _fill_tables(project.store)
        _fill_clips(project.store)
        _fill_frames(project.store)
    return folder


def _fill_tables(store: Store) -> None:
    sites = {"id": [1, 2], "locality": ["Open reef", SECRET], "decimalLatitude": [58.5, 58.7]}
    store.upsert("sites", pd.DataFrame({**sites, "decimalLongitude": [11.25, 11.5], "countryCode": "SE"}), "id")
    movies = {"id": [1, 2], "filename": ["a.mp4", "secret_bank_b.mp4"], "site_id": [1, 2], "fps": 25.0}
    store.upsert("movies", pd.DataFrame({**movies, "eventDate": "2025-05-12"}), "id")
    species = {"id": [1, 2], "vernacularName": ["Species 01", "Cod"], "zoo_label": ["SPECIES01", "COD"]}
    store.upsert("species", pd.DataFrame({**species, "scientificName": ["Unus unus", "Gadus morhua"]}), "id")


def _fill_clips(store: Store) -> None:
    rows = simulate_crowd(CLIPS, votes=5, labels=3, seed=1).rows
    rows["user"] = rows["user"].replace({rows["user"].iloc[0]: FORMULA})
    numbers = list(range(1, CLIPS + 1))
    starts = [10.0 * number for number in numbers]
    clips = pd.DataFrame({"id": numbers, "subject_type": "clip", "movie_id": [1 + n % 2 for n in numbers]})
    store.upsert("subjects", clips.assign(clip_start_time=starts, clip_end_time=[s + 10 for s in starts]), "id")
    add_answers(store, rows, 7)


def _fill_frames(store: Store) -> None:
    numbers = [901, 902, 903, 904]
    frames = {"id": numbers, "subject_type": "frame", "movie_id": 1, "frame_number": [0, 25, 50, 75]}
    store.upsert("subjects", pd.DataFrame(frames), "id")
    rows = []
    for number in numbers:
        for person in range(3):
            mark = {"label": None if number == 904 else "Cod", "frame": 0}
            if number < 903:
                mark |= {"shape": "rectangle", "x": 10.0 + person, "y": 20.0, "width": 40.0, "height": 30.0}
            elif number == 903:
                mark |= {"shape": "point", "x": 10.0 + person, "y": 20.0}
            told = {"subject_id": number, "classification_id": 10 * number + person, "user": f"person {person}"}
            rows.append(mark | told)
    add_answers(store, pd.DataFrame(rows), 8)


def add_answers(store: Store, rows: pd.DataFrame, workflow: int) -> None:
    """Write rows as `zooniverse.flatten` gives them into the store."""
    looks = rows.drop_duplicates("classification_id")[["classification_id", "subject_id", "user"]]
    looks = looks.rename(columns={"classification_id": "id"}).assign(user_kind="registered", workflow_id=workflow)
    looks = looks.assign(version_major=1, version_minor=1, created_at="2025-06-01T00:00:00Z")
    store.upsert("classifications", looks.assign(annotations=[[]] * len(looks)), "id")
    marks = rows.drop(columns="user").assign(position=rows.groupby("classification_id").cumcount())
    store.upsert("annotations", marks, ["classification_id", "position"])
