"""What a data set says of itself: title, people, licence. Nothing is published without."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kso_utils.core.errors import ConfigError

LICENCES = {
    "CC0-1.0": (
        "http://creativecommons.org/publicdomain/zero/1.0/legalcode",
        "Public Domain (CC0 1.0)",
    ),
    "CC-BY-4.0": (
        "http://creativecommons.org/licenses/by/4.0/legalcode",
        "Creative Commons Attribution (CC-BY) 4.0 License",
    ),
    "CC-BY-NC-4.0": (
        "http://creativecommons.org/licenses/by-nc/4.0/legalcode",
        "Creative Commons Attribution Non Commercial (CC-BY-NC) 4.0 License",
    ),
}
"""SPDX name -> address and name of each licence under which GBIF and OBIS take data."""

_ALIASES = {"CC0": "CC0-1.0", "CC-BY": "CC-BY-4.0", "CC-BY-NC": "CC-BY-NC-4.0"}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_LEAST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Person:
    """A person, an organisation, or a person of an organisation.

    Attributes
    ----------
    name
        Given names, then the surname.
    email, organisation
        Of the person.
    """

    name: str = ""
    email: str = ""
    organisation: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set as it is published.

    Attributes
    ----------
    title, description
        For people; the description says what was surveyed and why.
    licence
        `CC0-1.0`, `CC-BY-4.0` or `CC-BY-NC-4.0`.
    creator, contact
        Who made the data, and who answers questions; the contact is the creator where it is empty.
    dataset_id
        What the data set is known by, for ever: a DOI, or a short name. It begins the ids of events and occurrences.
    rights_holder
        Who owns the rights; may be empty.
    language
        Of the text, as ISO 639 writes it (`en`, `swe`).
    """

    title: str
    description: str
    licence: str
    creator: Person
    dataset_id: str
    contact: Person = field(default_factory=Person)
    rights_holder: str = ""
    language: str = "en"

    @property
    def answering(self) -> Person:
        """Who answers questions."""
        return self.contact if self.contact.name or self.contact.organisation else self.creator

    @property
    def spdx(self) -> str:
        """The licence's name in SPDX's list."""
        given = self.licence.strip().upper().replace(" ", "-")
        return _ALIASES.get(given, given)

    @property
    def licence_url(self) -> str:
        """The address of the licence."""
        return LICENCES[self.spdx][0]

    def validate(self) -> None:
        """Raise if something is missing without which nobody may publish.

        Raises
        ------
        ConfigError
            It names every setting that is missing or wrong.
        """
        contact = self.answering
        wrong = [
            ("title", len(self.title.split()) < _LEAST_WORDS, "a title of three words or more"),
            ("description", len(self.description.split()) < _LEAST_WORDS, "some sentences on the data"),
            ("licence", self.spdx not in LICENCES, f"one of {', '.join(LICENCES)}"),
            ("creator", not (self.creator.name or self.creator.organisation), "the name of who made the data"),
            ("contact.email", not _EMAIL.fullmatch(contact.email), "the e-mail address of who answers questions"),
            ("dataset_id", not self.dataset_id.strip(), "a DOI or a short name that never changes"),
            ("language", not _LANGUAGE.fullmatch(self.language), "a code of two or three letters, as en"),
        ]
        said = [f"publish.{name} ({wanted})" for name, is_wrong, wanted in wrong if is_wrong]
        if said:
            raise ConfigError(f"Nothing is published without a description of the data. Set {'; '.join(said)}.")
