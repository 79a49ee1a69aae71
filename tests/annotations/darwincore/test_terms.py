import csv
from pathlib import Path

import pytest

from kso_utils.annotations.darwincore import terms
from kso_utils.core.errors import ConfigError

LIST = Path(__file__).resolve().parents[4] / "shared" / "data" / "dwc" / "simple_dwc_horizontal.csv"


@pytest.mark.skipif(not LIST.exists(), reason="the distributed list of terms is not at hand")
def test_simple_darwin_core_is_the_distributed_list():
    names = next(csv.reader(LIST.open(encoding="utf-8")))
    assert {terms.shorten_term(t) for t in terms.SIMPLE_DARWIN_CORE} == set(names)


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("eventDate", "http://rs.tdwg.org/dwc/terms/eventDate"),
        ("license", "http://purl.org/dc/terms/license"),
        ("measurementTypeID", "http://rs.iobis.org/obis/terms/measurementTypeID"),
        ("ac:accessURI", "http://rs.tdwg.org/ac/terms/accessURI"),
        ("dc:type", "http://purl.org/dc/elements/1.1/type"),
        ("xmp:CreateDate", "http://ns.adobe.com/xap/1.0/CreateDate"),
    ],
)
def test_a_name_is_expanded_to_the_term_it_means(name, term):
    assert terms.expand_term(name) == term


@pytest.mark.parametrize("name", ["eventdate", "accessURI", "ac:eventDate", "nowhere:eventDate", ""])
def test_a_name_that_no_vocabulary_has_is_refused(name):
    with pytest.raises(ConfigError, match="There is no term"):
        terms.expand_term(name)


def test_every_term_has_a_name_of_its_own_in_its_namespace():
    assert {t.removesuffix(terms.shorten_term(t)) for t in terms.TERMS} < set(terms.NAMESPACES.values())
