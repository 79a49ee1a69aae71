"""What differs between projects: the values of a `project.toml`.

The file is read with the standard library and checked key by key, so that a misspelled setting is an error with its
place and never a silent default.
"""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from kso_utils.consensus.clip_labels import ClipRule, Method
from kso_utils.consensus.dawid_skene import SkeneRule
from kso_utils.consensus.shapes import MarkRule
from kso_utils.consensus.votes import VoteRule
from kso_utils.core.clock import find_zone
from kso_utils.core.errors import ConfigError, NotFound, StoreError
from kso_utils.media.modifications import complete_modifications
from kso_utils.metadata.worms import WORMS, require_endpoint
from kso_utils.store.connection import require_no_password
from kso_utils.zooniverse.matching.eras import Era, require_era

FILE_NAME = "project.toml"
_VERSION_NUMBERS = 2
Kind = Literal["clip", "frame"]

_CLIP_TEMPLATE = {
    "movie_id": "movie_id",
    "upl_seconds": "clip_start_time",
    "#clip_length": "clip_length",
    "#created_on": "eventDate",
    "#VideoFilename": "filename",
    "#siteName": "locality",
    "#clip_modification_details": "modification",
    "Subject_type": "subject_type",
}
_FRAME_TEMPLATE = {
    "movie_id": "movie_id",
    "frame_number": "frame_number",
    "frame_exp_sp_id": "frame_exp_sp_id",
    "#created_on": "eventDate",
    "#VideoFilename": "filename",
    "#siteName": "locality",
    "Subject_type": "subject_type",
}


@dataclass(frozen=True, slots=True)
class TableSettings:
    """Where the tables are and what their columns are called.

    Attributes
    ----------
    folder
        Relative to the project folder.
    files
        Table -> file name, where the name alone does not tell; `survey.xlsx#Sheet2` names a sheet of a workbook.
    columns
        Table -> {header in the file: column of this software}; known headers need no entry.
    dates
        `YYYY-MM-DD`, or what the tables use instead, as `DD/MM/YYYY`.
    decimal
        `.`, or `,` where the tables have decimal commas.
    time_zone
        Where the clocks stood (`Europe/Stockholm`), for times of day without offset; empty leaves them as they are.
    renames
        File in the folder with the columns OLD and NEW: names of movies that were replaced; empty where there is none.
    """

    folder: str = "."
    files: dict[str, str] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    dates: str = "YYYY-MM-DD"
    decimal: str = "."
    time_zone: str = ""
    renames: str = ""


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """Where the footage lives.

    Attributes
    ----------
    url
        A folder, relative to the project folder or absolute; `s3://bucket/prefix`; or `https://host/folder`.
    endpoint, region
        Of the service that holds the bucket, where it is not Amazon's; keys never stand here, but in the environment
        (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`) or in `~/.aws`.
    """

    url: str = "movies"
    endpoint: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class WorkflowSettings:
    """One workflow on Zooniverse and what its answers mean.

    Attributes
    ----------
    id
        Zooniverse's workflow id.
    kind
        `clip` (which species are in it) or `frame` (boxes around animals).
    nothing
        Choice codes that mean "no animal here".
    """

    id: int
    kind: Kind
    nothing: list[str] = field(default_factory=lambda: ["NOTHINGHERE"])


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """Which questions of a survey task hold numbers, and the numbers behind coded answers.

    Attributes
    ----------
    how_many, first_seen
        Parts of question codes.
    values
        Answer code -> number (`"3040" = 35`).
    """

    how_many: list[str] = field(default_factory=lambda: ["HOWMANY"])
    first_seen: list[str] = field(default_factory=lambda: ["FIRSTSEEN", "EARLIESTPOINT"])
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ZooniverseSettings:
    """The project on Zooniverse.

    Attributes
    ----------
    project_id
        Its number there.
    endpoint
        The server; empty for zooniverse.org itself.
    workflows, answers
        What its workflows are and what their answers mean.
    duplicates
        File among the tables with the columns `dupl_subject_id` and `single_subject_id`: subjects that were uploaded
        more than once, and the one that their classifications count for; empty where there is none.
    eras
        Times in which clips were named after movie and place, before that stood in their metadata.
    """

    project_id: int = 0
    endpoint: str = ""
    workflows: list[WorkflowSettings] = field(default_factory=list)
    answers: AnswerSettings = field(default_factory=AnswerSettings)
    duplicates: str = ""
    eras: list[Era] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TemplateSettings:
    """What Zooniverse is told of subjects.

    Attributes
    ----------
    clip, frame
        Key on Zooniverse -> column. Keys that start with `#` or `//` are never shown to volunteers, those that start
        with `!` after they classified; coordinates are always hidden.
    sensitive_sites
        Sites whose place is kept secret, by name or id: neither is sent, nor coordinates, nor what holds the name.
    """

    clip: dict[str, str] = field(default_factory=lambda: dict(_CLIP_TEMPLATE))
    frame: dict[str, str] = field(default_factory=lambda: dict(_FRAME_TEMPLATE))
    sensitive_sites: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ClipSettings:
    """How clips and frames are cut.

    Attributes
    ----------
    length_s
        Seconds a clip.
    frames_per_clip
        Frames from a clip for each species that was seen in it.
    modifications
        What is done to the pictures of clips, in this order, as `[{ curves = {} }, { scale = { height = 720 } }]`; see
        `media.modifications`.
    """

    length_s: float = 10.0
    frames_per_clip: int = 3
    modifications: list[dict[str, dict[str, Any]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MarkSettings:
    """When marks on frames are of one animal; see `consensus.MarkRule`.

    Attributes
    ----------
    agreement
        In place of that of clips and frames.
    label_agreement, iou, distance_px, time, linkage
        As there.
    """

    agreement: float | None = None
    label_agreement: float = 0.5
    iou: float = 0.3
    distance_px: float = 30.0
    time: float = 0.05
    linkage: str = "complete"


METHODS = (*get_args(Method), "kso")
"""How the labels of clips can be agreed."""


@dataclass(frozen=True, slots=True)
class ConsensusSettings:
    """When volunteers agree.

    Attributes
    ----------
    agreement
        What a label of a clip or a mark on a frame needs, as a share; where it is left out what the method asks for.
    min_people
        How many people must have looked.
    method
        How the labels of clips are agreed: one of `consensus.ClipRule`, or `kso` for its `compat`.
    exclusive
        For the method `dawid_skene`: whether a clip holds one species at most.
    marks
        When marks on frames are of one animal.
    votes
        Which classifications count; see `consensus.VoteRule`.
    """

    agreement: float | None = None
    min_people: int = 3
    method: str = "share"
    exclusive: bool = False
    marks: MarkSettings = field(default_factory=MarkSettings)
    votes: VoteRule = field(default_factory=VoteRule)

    def clip_rule(
        self, agreement: float | None = None, min_people: int | None = None, method: str | None = None
    ) -> ClipRule:
        """Return the rule for clips; what is given stands in place of the settings.

        Another method than that of the settings asks for a share of its own.

        Raises
        ------
        ConfigError
            If a value is out of range.
        """
        chosen: Any = self.method if method is None else method
        if chosen not in METHODS:
            raise ConfigError(f"method is {chosen!r}; give one of {', '.join(METHODS)}.")
        least = self.agreement if agreement is None and chosen == self.method else agreement
        people = self.min_people if min_people is None else min_people
        if chosen == "kso":
            return ClipRule("share", least, people, self.votes, compat="kso")
        skene = SkeneRule(exclusive=self.exclusive) if chosen == "dawid_skene" else None
        return ClipRule(chosen, least, people, self.votes, skene=skene)

    def mark_rule(self, agreement: float | None = None, min_people: int | None = None) -> MarkRule:
        """Return the rule for frames; what is given stands in place of the settings.

        Raises
        ------
        ConfigError
            If a value is out of range.
        """
        shares = [share for share in (agreement, self.marks.agreement, self.agreement) if share is not None]
        given = {f.name: getattr(self.marks, f.name) for f in fields(self.marks)}
        given["agreement"] = shares[0] if shares else MarkRule().agreement
        people = self.min_people if min_people is None else min_people
        return MarkRule(**given, min_people=people, votes=self.votes)


@dataclass(frozen=True, slots=True)
class TaxonomySettings:
    """Which service knows the scientific names: WoRMS, or one that speaks as it does."""

    url: str = WORMS


@dataclass(frozen=True, slots=True)
class PersonSettings:
    """A person, an organisation, or a person of an organisation."""

    name: str = ""
    email: str = ""
    organisation: str = ""


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """What published data say of themselves; nothing is published without title, description, licence and people.

    Attributes
    ----------
    title, description
        For people.
    licence
        `CC0-1.0`, `CC-BY-4.0` or `CC-BY-NC-4.0`.
    dataset_id
        What the data are known by, for ever: a DOI or a short name; the project's name where it is empty. It begins the
        ids of events and occurrences.
    rights_holder
        Who owns the rights.
    language
        Of title and description, as `en`.
    creator, contact
        Who made the data, and who answers questions (the creator where it is empty).
    """

    title: str = ""
    description: str = ""
    licence: str = ""
    dataset_id: str = ""
    rights_holder: str = ""
    language: str = "en"
    creator: PersonSettings = field(default_factory=PersonSettings)
    contact: PersonSettings = field(default_factory=PersonSettings)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything in a `project.toml`.

    Attributes
    ----------
    name
        The project's.
    store
        Where the store is: a file, relative to the project folder or absolute, or the address of a PostgreSQL database
        (`postgresql://user@host/name`) without a password, which stands in `~/.pgpass` or `PGPASSWORD`. `kso.db` in
        the project folder where it is empty.
    tables, archive, zooniverse, metadata, clips, consensus, taxonomy, publish
        The parts, each a table of its own.
    """

    name: str
    store: str = ""
    tables: TableSettings = field(default_factory=TableSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    zooniverse: ZooniverseSettings = field(default_factory=ZooniverseSettings)
    metadata: TemplateSettings = field(default_factory=TemplateSettings)
    clips: ClipSettings = field(default_factory=ClipSettings)
    consensus: ConsensusSettings = field(default_factory=ConsensusSettings)
    taxonomy: TaxonomySettings = field(default_factory=TaxonomySettings)
    publish: PublishSettings = field(default_factory=PublishSettings)

    def workflows(self, kind: Kind) -> list[WorkflowSettings]:
        """Return the workflows of one kind."""
        return [w for w in self.zooniverse.workflows if w.kind == kind]


def load_settings(path: str | Path) -> Settings:
    """Read a `project.toml`.

    Raises
    ------
    NotFound
        If there is no such file.
    ConfigError
        If it is not TOML, or a key is unknown, missing, or of the wrong type; the message names file and key.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound(f"There is no settings file {file}. Make a project with: kso init FOLDER") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not a UTF-8 text file. Save it as UTF-8.") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}.") from error
    return parse_settings(values, str(file))


def parse_settings(values: dict[str, Any], source: str) -> Settings:
    """Build `Settings` from the content of a TOML file; `source` names it in errors.

    Raises
    ------
    ConfigError
        As `load_settings`.
    """
    settings: Settings = _build(Settings, values, source, "")
    _require_habits(settings.tables, source)
    require_store(settings.store, f"{source}: store")
    try:
        settings.consensus.clip_rule()
        settings.consensus.mark_rule()
    except ConfigError as error:
        raise ConfigError(f"{source}: consensus is wrong. {error}") from error
    if not 0 < settings.clips.length_s < math.inf or settings.clips.frames_per_clip < 1:
        raise ConfigError(f"{source}: clips.length_s and clips.frames_per_clip must be positive.")
    try:
        complete_modifications(settings.clips.modifications)
    except ConfigError as error:
        raise ConfigError(f"{source}: clips.modifications is wrong. {error}") from error
    try:
        require_endpoint(settings.taxonomy.url)
    except ConfigError as error:
        raise ConfigError(f"{source}: taxonomy.url is wrong. {error}") from error
    for number, era in enumerate(settings.zooniverse.eras):
        try:
            require_era(era)
        except ConfigError as error:
            raise ConfigError(f"{source}: zooniverse.eras[{number}] is wrong. {error}") from error
    for workflow in settings.zooniverse.workflows:
        if workflow.kind not in ("clip", "frame"):
            raise ConfigError(f"{source}: zooniverse.workflows kind is {workflow.kind!r}; give 'clip' or 'frame'.")
    return settings


def require_store(store: str, place: str) -> None:
    """Refuse the address of a database that holds a password; `place` says in errors where it stands.

    Raises
    ------
    ConfigError
        If it does, or is no address of a database.
    """
    if "://" not in store:
        return
    try:
        require_no_password(store)
    except StoreError as error:
        raise ConfigError(f"{place} is wrong. {error}") from error


def _require_habits(tables: TableSettings, source: str) -> None:
    if tables.decimal not in (".", ","):
        raise ConfigError(f"{source}: tables.decimal is {tables.decimal!r}; give '.' or ','.")
    if any(tables.dates.count(part) != 1 for part in ("YYYY", "MM", "DD")):
        raise ConfigError(
            f"{source}: tables.dates is {tables.dates!r}; give YYYY, MM and DD once each, as in DD/MM/YYYY."
        )
    if tables.time_zone:
        try:
            find_zone(tables.time_zone)
        except ConfigError as error:
            raise ConfigError(f"{source}: tables.time_zone: {error}") from error


def format_settings(settings: Settings) -> str:
    """Return the settings as TOML text that `load_settings` reads back to an equal value."""
    lines: list[str] = []
    _write_table(lines, "", settings)
    return "\n".join(lines).strip() + "\n"


def _build(kind: type[Any], values: dict[str, Any], source: str, place: str) -> Any:
    known = {f.name: f for f in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{source}: unknown setting {place}{unknown[0]}. Known here: {', '.join(known)}.")
    given = {name: _convert(str(known[name].type), v, source, place + name) for name, v in values.items()}
    try:
        return kind(**given)
    except ConfigError as error:
        raise ConfigError(f"{source}: {place.removesuffix('.')} is wrong. {error}") from error
    except TypeError as error:
        missing = [n for n, f in known.items() if n not in values and _required(f)]
        raise ConfigError(f"{source}: the setting {place}{', '.join(missing)} is missing.") from error


def _required(spec: Any) -> bool:
    return spec.default is MISSING and spec.default_factory is MISSING


_PARTS: dict[str, type[Any]] = {
    c.__name__: c for c in (TableSettings, ArchiveSettings, AnswerSettings, ZooniverseSettings, TemplateSettings)
}
_PARTS |= {c.__name__: c for c in (ClipSettings, ConsensusSettings, MarkSettings, VoteRule, TaxonomySettings)}
_PARTS |= {c.__name__: c for c in (PersonSettings, PublishSettings, WorkflowSettings, Era)}
_SCALARS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,)}
_SCALARS |= dict.fromkeys(("str", "Kind", "Repeats", "Wanted"), (str,))
_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


def _convert(annotation: str, value: Any, source: str, place: str) -> Any:
    """Check one value against the annotation of its field (the few forms that occur above)."""
    annotation = annotation.removesuffix(" | None")
    if annotation in _PARTS:
        _expect(isinstance(value, dict), source, place, "a table")
        return _build(_PARTS[annotation], value, source, place + ".")
    if annotation.startswith("list[") and (part := _PARTS.get(annotation[5:-1])):
        _expect(isinstance(value, list) and all(isinstance(v, dict) for v in value), source, place, "a list of tables")
        return [_build(part, v, source, f"{place}[{i}].") for i, v in enumerate(value)]
    if annotation.startswith("list["):
        _expect(isinstance(value, list), source, place, "a list")
        return [_convert(annotation[5:-1], v, source, place) for v in value]
    if annotation == "tuple[str, ...]":
        return tuple(_convert("list[str]", value, source, place))
    if annotation == "tuple[int, int]":
        _expect(
            isinstance(value, list) and len(value) == _VERSION_NUMBERS,
            source,
            place,
            "the two numbers of a version, as [12, 3]",
        )
        return tuple(_convert("list[int]", value, source, place))
    if annotation.startswith("dict["):
        _expect(isinstance(value, dict), source, place, "a table")
        inner = annotation[len("dict[str, ") : -1]
        return {k: _convert(inner, v, source, f"{place}.{k}") for k, v in value.items()}
    if annotation == "Any":
        return value
    fits = isinstance(value, _SCALARS[annotation]) and (annotation == "bool" or not isinstance(value, bool))
    _expect(fits, source, place, _WORDS.get(annotation, "text"))
    return float(value) if annotation == "float" else value


def _expect(condition: bool, source: str, place: str, wanted: str) -> None:
    if not condition:
        raise ConfigError(f"{source}: the setting {place} must be {wanted}.")


def _write_table(lines: list[str], place: str, values: Any) -> None:
    items = (
        [(f.name, getattr(values, f.name)) for f in fields(values)] if is_dataclass(values) else list(values.items())
    )
    plain = [(k, v) for k, v in items if not _nested(v) and v is not None]
    if place and (plain or not items):
        lines += ["", f"[{place}]"]
    lines += [f"{_key(k)} = {_text(v)}" for k, v in plain]
    for key, value in items:
        inner = f"{place}.{_key(key)}" if place else _key(key)
        if isinstance(value, list) and _nested(value):
            for item in value:
                lines += ["", f"[[{inner}]]"]
                lines += [f"{f.name} = {_text(getattr(item, f.name))}" for f in fields(item)]
        elif _nested(value):
            _write_table(lines, inner, value)


def _nested(value: Any) -> bool:
    return isinstance(value, dict) or is_dataclass(value) or (isinstance(value, list) and any(map(is_dataclass, value)))


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _text(key)


def _text(value: Any) -> str:
    """Return a value as TOML on one line; JSON's strings are TOML's but for the character DEL."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(k)} = {_text(v)}' for k, v in value.items())} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
