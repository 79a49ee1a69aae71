import dataclasses

import pytest

from kso_utils.annotations.darwincore.dataset import Dataset, Person
from kso_utils.core.errors import ConfigError

GOOD = Dataset("Fish of a reef", "What lives there.", "CC-BY-4.0", Person("Ada Lovelace", "ada@example.org"), "reef")


def test_a_complete_description_is_accepted():
    GOOD.validate()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"title": "Fish"}, "publish.title"),
        ({"description": " "}, "publish.description"),
        ({"licence": "GPL"}, "publish.licence"),
        ({"creator": Person("", "ada@example.org")}, "publish.creator"),
        ({"creator": Person("Ada Lovelace")}, "publish.contact.email"),
        ({"contact": Person("Ada Lovelace", "nobody")}, "publish.contact.email"),
        ({"dataset_id": ""}, "publish.dataset_id"),
        ({"language": "English"}, "publish.language"),
    ],
)
def test_what_is_missing_is_named(change, says):
    with pytest.raises(ConfigError, match=says):
        dataclasses.replace(GOOD, **change).validate()


def test_everything_that_is_missing_is_named_at_once():
    with pytest.raises(ConfigError, match=r"publish\.title.*publish\.licence"):
        dataclasses.replace(GOOD, title="", licence="").validate()


@pytest.mark.parametrize("name", ["CC BY 4.0", "cc-by", "CC-BY-4.0"])
def test_a_licence_is_known_under_its_usual_names(name):
    assert dataclasses.replace(GOOD, licence=name).licence_url.endswith("/licenses/by/4.0/legalcode")


def test_an_organisation_alone_may_publish():
    dataclasses.replace(GOOD, creator=Person("", "info@example.org", "The Sea")).validate()
