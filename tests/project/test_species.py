"""The steps that match a project's species to a register of names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.metadata.worms import lsid
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import TaxonomySettings
from kso_utils.testing.worms import COD, Register, serve_worms


@pytest.fixture
def register() -> Iterator[Register]:
    with serve_worms([COD]) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, register: Register) -> Iterator[Project]:
    with Project.create(tmp_path / "reef") as made:
        made.change_settings(taxonomy=TaxonomySettings(register.url))
        yield made


def add_species(project: Project) -> None:
    rows = {"vernacularName": ["Cod", "Nothing here"], "zoo_label": ["COD", "NOTHINGHERE"]}
    species = pd.DataFrame(rows).assign(scientificName=["Gadus morhua", None], is_taxon=[True, False])
    project.store.upsert("species", species, "vernacularName")


def test_species_are_matched_then_written(project: Project, register: Register) -> None:
    add_species(project)
    taxa = steps.match_taxa(project)
    assert taxa.matches["how"].tolist() == ["exact", "no name"]
    assert taxa.unpublishable["vernacularName"].tolist() == ["Nothing here"]
    assert project.store.read("species")["scientificNameID"].isna().all()
    counts, report = steps.write_taxa(project)
    assert (counts.updated, len(report)) == (1, 0)
    assert project.store.read("species")["scientificNameID"].tolist() == [lsid(126436), None]


def test_what_was_asked_is_there_offline(project: Project, register: Register) -> None:
    add_species(project)
    online = steps.match_taxa(project)
    pd.testing.assert_frame_equal(steps.match_taxa(project, offline=True).matches, online.matches)
    assert len(register.asked) == 1
    steps.match_taxa(project, refresh=True)
    assert len(register.asked) == 2


def test_a_store_without_species_says_how_to_fill_it(project: Project) -> None:
    with pytest.raises(ConfigError, match="kso movies"):
        steps.match_taxa(project)
