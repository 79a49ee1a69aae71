from __future__ import annotations

import pytest

from kso_utils.metadata.terms import COUNTRIES, TABLES, known_headers, template_headers
from kso_utils.store.schema import Base

REFERENCES = {"locality": "site_id", "parentEventID": "survey_id"}


@pytest.mark.parametrize("name", list(TABLES))
def test_every_column_has_a_place_in_the_store(name: str) -> None:
    stored = set(Base.metadata.tables[name].columns.keys())
    columns = {c.name if c.name in stored else REFERENCES.get(c.name, c.name) for c in TABLES[name].columns}
    assert columns <= stored


@pytest.mark.parametrize("name", list(TABLES))
def test_no_header_means_two_columns(name: str) -> None:
    table = TABLES[name]
    assert len(known_headers(table)) == sum(len({c.name.casefold(), *c.headers}) for c in table.columns)


def test_template_headers_are_known() -> None:
    for name, headers in template_headers().items():
        assert {h.casefold() for h in headers} <= set(known_headers(TABLES[name]))


def test_country_codes_are_two_capitals() -> None:
    assert len(COUNTRIES) == 249
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES)
