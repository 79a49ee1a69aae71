"""One project: its folder, its settings, its store, its footage and its place on Zooniverse."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from kso_utils.archive.opening import open_archive
from kso_utils.core.errors import ConfigError, KsoError, NotFound
from kso_utils.core.log import logger
from kso_utils.core.paths import write_atomic
from kso_utils.metadata.table_files import TableFolder, require_unchanged, settle
from kso_utils.metadata.terms import template_headers
from kso_utils.project.listing import FILE_NAME as LIST_NAME
from kso_utils.project.listing import find_list, load_list
from kso_utils.project.settings import FILE_NAME, Settings, format_settings, load_settings
from kso_utils.store.engine import Store, open_store

if TYPE_CHECKING:
    from kso_utils.archive.base import Archive
    from kso_utils.zooniverse.session import Session

STORE_NAME = "kso.db"
INDEXES = Path(".kso") / "indexes"
_log = logger(__name__)


class Project:
    """A project that is open.

    Parameters
    ----------
    folder
        The folder that holds `project.toml`, the tables, the store and everything that is made.
    settings
        What the project file says.
    store_address
        The store: a file or a database's address; by default what the settings say, else `kso.db` in the folder.

    Attributes
    ----------
    folder, settings
        As given.
    store_address : Path or str
        The store's file, or the address of the database that keeps it.
    """

    def __init__(self, folder: Path, settings: Settings, store_address: Path | str | None = None) -> None:
        self.folder = folder
        self.settings = settings
        named = settings.store if "://" in settings.store else folder / (settings.store or STORE_NAME)
        self.store_address = store_address or named

    @classmethod
    def create(cls, folder: str | Path, name: str | None = None) -> Project:
        """Make a new project: a folder with `project.toml`, empty tables with the right headers, and a store.

        Files that are there already stay as they are.

        Raises
        ------
        ConfigError
            If the folder is a project already, or a file stands in its place.
        """
        place = Path(folder).resolve()
        if (place / FILE_NAME).exists():
            raise ConfigError(f"{place} is a project already. Open it, or choose another folder.")
        if place.exists() and not place.is_dir():
            raise ConfigError(f"{place} is a file. Give the name of a folder.")
        for table, header in template_headers().items():
            target = place / f"{table}.csv"
            if not target.exists():
                with write_atomic(target) as temporary:
                    temporary.write_text(",".join(header) + "\n", encoding="utf-8")
        settings = Settings(name=name or place.name)
        (place / settings.archive.url).mkdir(exist_ok=True)
        project = cls(place, settings)
        project.save_settings(settings)
        project.store.close()
        return cls.open(place)

    @classmethod
    def open(cls, path_or_name: str | Path = ".", changed_tables: Literal["refuse", "allow"] = "refuse") -> Project:
        """Open a project by its folder, or by its name in the nearest `projects_list.csv`.

        Tables that an edit changed in the store, and that could not be written then, are written.

        Parameters
        ----------
        path_or_name
            The folder, or the name.
        changed_tables
            What to do where a table's file was changed by hand since it was last taken in or written: `refuse` it, or
            `allow` it for now, as the steps do that look at the tables, take them in, or set them aside. Then neither
            files nor store are looked at.

        Raises
        ------
        NotFound
            If there is neither such a folder with a `project.toml` nor such a name.
        ConfigError
            If the project file is wrong.
        MetadataError
            If a table's file was changed by hand; the message shows what, and what to do.
        StoreError
            If there is a store that cannot be opened.
        """
        project = cls._find(path_or_name)
        if changed_tables == "refuse":
            project._look_at_tables()
        return project

    @classmethod
    def _find(cls, path_or_name: str | Path) -> Project:
        place = Path(path_or_name).resolve()
        if (place / FILE_NAME).is_file():
            return cls(place, load_settings(place / FILE_NAME))
        list_file = find_list(Path.cwd())
        listed = load_list(list_file) if list_file else {}
        if str(path_or_name) in listed:
            project = listed[str(path_or_name)]
            if (project.folder / FILE_NAME).is_file():
                return cls(project.folder, load_settings(project.folder / FILE_NAME), project.store)
            return cls(project.folder, project.settings, project.store)
        known = f" The list {list_file} knows: {', '.join(listed)}." if listed else f" No {LIST_NAME} was found."
        raise NotFound(
            f"There is no project at {place}: it holds no {FILE_NAME}.{known} Make a project with: kso init FOLDER"
        )

    def __enter__(self) -> Self:
        """Enter a block; the store is closed at its end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self.close()

    def __repr__(self) -> str:
        """Return name and folder."""
        return f"<Project {self.settings.name!r} in {self.folder}>"

    @cached_property
    def store(self) -> Store:
        """The project's store, opened (and made) on first use."""
        return open_store(self.store_address)

    @property
    def index_cache(self) -> Path:
        """The folder in which packet indexes of movies are kept; whatever is in it can be made anew."""
        return self.folder / INDEXES

    @property
    def store_path(self) -> Path | None:
        """The store's file, None where a database server keeps it."""
        return self.store_address if isinstance(self.store_address, Path) else None

    @property
    def tables_folder(self) -> Path:
        """The folder of the tables."""
        return (self.folder / self.settings.tables.folder).resolve()

    @property
    def tables(self) -> TableFolder:
        """The files of the tables, and how they are read."""
        tables = self.settings.tables
        return TableFolder(
            self.tables_folder,
            tables.columns or None,
            tables.files or None,
            tables.dates,
            tables.decimal,
            tables.time_zone or None,
            tables.renames or None,
        )

    def _look_at_tables(self) -> None:
        """Write tables that were not written yet, and refuse those that were changed by hand."""
        if self.store_path is not None and not self.store_path.exists():
            return
        try:
            try:
                settle(self.store, self.tables)
            except OSError as error:
                _log.warning("%s could not be written (%s); the store has it.", error.filename, error.strerror)
            require_unchanged(self.store, self.tables)
        except KsoError:
            self.close()
            raise

    @cached_property
    def archive(self) -> Archive:
        """Where the footage is: a folder, a bucket or a web server.

        Raises
        ------
        ConfigError
            If the settings name something else.
        """
        settings = self.settings.archive
        place = settings.url if "://" in settings.url else self.folder / Path(settings.url).expanduser()
        return open_archive(place, endpoint=settings.endpoint or None, region=settings.region or None)

    def zooniverse(self, user: str | None = None, password: str | None = None, ask: bool = True) -> Session:
        """Log in to Zooniverse, or to the endpoint that the settings name.

        The login comes from the arguments, else from the environment (`PANOPTES_USERNAME`, `PANOPTES_PASSWORD`), else
        from the system's keyring, else, if `ask`, from a question at the terminal.
        """
        from kso_utils.zooniverse.session import connect

        return connect(user, password, self.settings.zooniverse.endpoint or None, ask=ask)

    def save_settings(self, settings: Settings) -> None:
        """Write `project.toml` anew and use the new settings from now on."""
        with write_atomic(self.folder / FILE_NAME) as temporary:
            temporary.write_text(format_settings(settings), encoding="utf-8")
        self.settings = settings
        self.__dict__.pop("archive", None)

    def change_settings(self, **parts: object) -> None:
        """Replace whole parts of the settings (`zooniverse=...`) and save them."""
        self.save_settings(dataclasses.replace(self.settings, **parts))  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the store, if it was opened."""
        if "store" in self.__dict__:
            self.store.close()
            del self.__dict__["store"]
