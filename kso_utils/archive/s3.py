"""An archive in a bucket of an S3 service."""

from __future__ import annotations

import os
import re
import unicodedata
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kso_utils.archive.base import OLD_S, Entry, is_hidden, validate_name
from kso_utils.archive.fetching import fetch_file
from kso_utils.archive.objects import S3File, tag_of
from kso_utils.archive.parts import digest_parts
from kso_utils.archive.uploads import Upload, forget
from kso_utils.core.errors import (
    ArchiveError,
    ConfigError,
    Denied,
    Interrupted,
    MissingExtra,
    NotFound,
    RequestFailed,
    UnsafeInput,
)
from kso_utils.core.log import logger
from kso_utils.core.paths import to_text
from kso_utils.core.retries import again, unless_silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.core.journal import Journal

_log = logger(__name__)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,62}")
_MOST_KEY_BYTES = 1024
_LONGEST_LINK_S = 7 * 86_400
_CONNECT_S, _READ_S = 10, 60
_NOT_TRUSTED = re.compile("CERTIFICATE_VERIFY_FAILED|WRONG_VERSION_NUMBER")
# A page of each kind of list: where its items are, and what is asked for with the next page.
_PAGES = {
    "list_objects_v2": ("Contents", {"ContinuationToken": "NextContinuationToken"}),
    "list_multipart_uploads": ("Uploads", {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}),
    "list_parts": ("Parts", {"PartNumberMarker": "NextPartNumberMarker"}),
}
# Codes that tell more than the status that comes with them.
_BARRED = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "AuthorizationHeaderMalformed", "InvalidAccessKeyId"}
_PASSING = {"RequestTimeout", "SlowDown", "Throttling", "BadDigest", "ConditionalRequestConflict", "OperationAborted"}
_LOGIN = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or a profile in ~/.aws, "
    "to keys that are valid and allow this."
)


@dataclass(frozen=True, slots=True)
class Place:
    """An object of a bucket, or with an empty key the bucket: what requests are about.

    It holds no connection and no login, so that it can travel to another process, which connects by itself.

    Attributes
    ----------
    endpoint, region
        Of the service; None for what the environment says.
    bucket, key
        Names.
    """

    endpoint: str | None
    region: str | None
    bucket: str
    key: str = ""

    @property
    def address(self) -> str:
        """The address, without anything secret in it."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def _service(self) -> str:
        return f"{self.address}: the service at {self.endpoint or 'Amazon'}"

    @property
    def client(self) -> Any:
        """The client of this process for the service."""
        login = hash(frozenset((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
        return _connect(self.endpoint, self.region, os.getpid(), login)

    def ask(self, action: str, expected: tuple[int | str, ...] = (), **request: Any) -> dict[str, Any]:
        """Make one request, again if that may help, and return the answer; its body, if there is one, as bytes.

        Parameters
        ----------
        action
            A method of the client (`head_object`).
        expected
            Statuses and codes that are no error to the caller, who gets `{"refused": status}`.
        **request
            The method's arguments but for bucket and key.

        Raises
        ------
        NotFound, Denied, Interrupted, ArchiveError
            By what the service answers, or does not.
        """
        target = {"Bucket": self.bucket, **({"Key": self.key} if self.key else {}), **request}
        try:
            return again(lambda: self._ask_once(action, expected, target), unless_silent())
        except RequestFailed as error:
            raise Interrupted(f"{error} What was copied so far is kept: call again to go on.") from error

    def list(self, action: str, expected: tuple[int | str, ...] = (), **request: Any) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, page by page; none where the service refuses it as `expected`."""
        items, following = _PAGES[action]
        while True:
            page = self.ask(action, expected, **request)
            yield from page.get(items, [])
            if not page.get("IsTruncated"):
                return
            request |= {asked: page[told] for asked, told in following.items()}

    def _ask_once(self, action: str, expected: tuple[int | str, ...], request: dict[str, Any]) -> dict[str, Any]:
        client = self.client
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(client, action)(**request)
            if "Body" in answer:
                with closing(answer["Body"]) as body:
                    # Only parts are asked for: what is sent instead of one may be a whole movie.
                    answer["Body"] = body.read() if "ContentRange" in answer else b""
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            code = error.response.get("Error", {}).get("Code", "")
            if status in expected or code in expected:
                return {"refused": status}
            self._refuse(action, status, code, error)
        except BotoCoreError as error:
            self._give_up(action, error)
        except (ValueError, RecursionError) as error:  # answers that cannot be read, redirects that lead in a circle
            raise ArchiveError(f"{self._service} does not answer as an S3 service does. Check the endpoint.") from error
        return answer

    def _refuse(self, action: str, status: int, code: str, error: Exception) -> NoReturn:
        """Raise what an answer of the service means. Its own message is left out: nobody knows what it quotes."""
        reason = str(status) if code in ("", str(status)) else f"{status} {code}"
        told = f"{self.address}: the service answered {reason} to {action}."
        if status == 404:
            missing = f"bucket s3://{self.bucket}" if code == "NoSuchBucket" or not self.key else f"file {self.address}"
            raise NotFound(f"There is no {missing}. Check the address and the endpoint.") from error
        if status in (401, 403) or code in _BARRED:
            more = " A missing file is refused like this where the bucket may not be listed."
            raise Denied(f"{told} {_LOGIN}{more * (status == 403 and bool(self.key))}") from error
        if status == 412:
            raise ArchiveError(f"{self.address} was changed while it was read. Begin again.") from error
        if code in _PASSING or status in (408, 429, 500, 502, 503, 504):
            raise RequestFailed(told, None if code in _PASSING else status) from error
        raise ArchiveError(f"{told} Check the address, the region and what the service can do.") from error

    def _give_up(self, action: str, error: Exception) -> NoReturn:
        """Raise what it means that there was no answer, or not all of it."""
        from botocore import exceptions as boto

        kind = type(error).__name__
        if isinstance(error, boto.ProfileNotFound):
            raise ConfigError("The profile that AWS_PROFILE names is not in ~/.aws. Check the name.") from error
        if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError):
            raise Denied(f"{self.address}: there are no keys for the service. {_LOGIN}") from error
        if isinstance(error, boto.SSLError) and _NOT_TRUSTED.search(str(error)):
            raise ArchiveError(
                f"{self._service}: its certificate is not trusted, or it speaks no https. Check the endpoint; where "
                "the institute has an authority of its own, name its file in AWS_CA_BUNDLE."
            ) from error
        if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError | boto.ProxyConnectionError):
            raise RequestFailed(f"{self._service} cannot be reached. Check the network and the endpoint.") from error
        if isinstance(error, boto.HTTPClientError | boto.ConnectionError | boto.IncompleteReadError):
            raise RequestFailed(f"{self.address}: the connection broke during {action} ({kind}).") from error
        raise ArchiveError(
            f"{self.address}: {action} could not be asked ({kind}). Check the settings of AWS."
        ) from error


@lru_cache(maxsize=8)
def _connect(endpoint: str | None, region: str | None, process: int, login: int) -> Any:
    """Return a client, which threads may share and processes may not; another login gets another one."""
    try:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise MissingExtra("boto3", "s3") from error
    config = Config(
        signature_version="s3v4",
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        # Attempts are counted in `core.retries`, which also repeats an answer that breaks off within its body.
        retries={"total_max_attempts": 1},
        max_pool_connections=32,
        s3={"addressing_style": "path" if endpoint else "auto"},
        # Only Amazon knows the checksums that are otherwise sent by default.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        session = Session(region_name=region or os.environ.get("AWS_REGION"))
        named = session.region_name or ("us-east-1" if endpoint else None)
        return session.client("s3", endpoint_url=endpoint, region_name=named, config=config)
    except (BotoCoreError, ValueError) as error:
        kind = type(error).__name__
        raise ConfigError(
            f"No S3 service can be reached with these settings ({kind}). Check the endpoint, region and AWS_PROFILE."
        ) from error


class S3Archive:
    """A bucket, or what is below a prefix of it.

    Parameters
    ----------
    url
        `s3://bucket` or `s3://bucket/prefix`.
    journal
        Where copies under way are remembered; by default a file beside what is fetched, and for what is pushed one
        in the user's cache.
    endpoint, region
        As in `open_archive`.

    Raises
    ------
    ConfigError
        If the address names no bucket.
    UnsafeInput
        If its prefix is no name of a folder.
    """

    def __init__(
        self, url: str, journal: Journal | None = None, *, endpoint: str | None = None, region: str | None = None
    ) -> None:
        scheme, _, rest = url.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme.lower() != "s3" or not _BUCKET.fullmatch(bucket):
            raise ConfigError("The address of a bucket is s3://bucket/prefix, with a bucket of 3 to 63 letters.")
        endpoint = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if endpoint and "@" in endpoint:
            raise ConfigError("The endpoint holds a login. Leave it out; set it in the environment.")
        self.journal, self.endpoint, self.region = journal, endpoint, region
        self._root = f"{validate_name(prefix)}/" if prefix.strip("/") else ""
        self._bucket = Place(endpoint, region, bucket)
        self.url = f"s3://{bucket}/{self._root}".rstrip("/")

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Yield the files whose names begin with `prefix`, in the order of their names; hidden ones are left out."""
        for item in self._bucket.list("list_objects_v2", Prefix=self._root + _require_text(prefix)):
            name = item["Key"].removeprefix(self._root)
            if name.endswith("/") or is_hidden(name):
                continue
            if not _is_plain(name):
                _log.warning("%s is left out: it is no file name on other systems.", self.url + "/" + ascii(name))
                continue
            yield _describe(name, item["Size"], item)

    def find(self, name: str) -> Entry:
        """Return what is known of a file, in whatever Unicode form the bucket has its name."""
        place, head = self._find(name)
        return _describe(place.key.removeprefix(self._root), head["ContentLength"], head)

    def open(self, name: str) -> S3File:
        """Open a file, to read parts of it."""
        return S3File(*self._find(name))

    def fetch(self, name: str, target: str | Path, sha256: str | None = None) -> str:
        """Copy a file to a local path and return its sha256, verified against what the bucket says if none is given."""
        file = self.open(name)
        return fetch_file(file, target, sha256 or file.sha256, self.journal)

    def push(self, source: str | Path, name: str) -> str:
        """Copy a local file into the bucket and return its sha256, verified at the place where it arrived."""
        path, place = Path(source), self._place(name)
        digests = digest_parts(path)
        found = self._look(place)
        upload = Upload(found[0] if found else place, path, digests, self.journal)
        if found is None:
            upload.send()
        else:
            upload.accept(found[1])
        upload.forget()
        return digests.sha256

    def link(self, name: str, lifetime_s: float = 86_400.0) -> str:
        """Return an address at which a browser can see the file for so long, at most a week."""
        if not 1 <= lifetime_s <= _LONGEST_LINK_S:
            raise ConfigError(f"A link lives 1 to {_LONGEST_LINK_S} s (a week), not {lifetime_s:g} s.")
        place, _ = self._find(name)
        target = {"Bucket": place.bucket, "Key": place.key}
        return str(place.client.generate_presigned_url("get_object", Params=target, ExpiresIn=int(lifetime_s)))

    def clean_up(self, older_than_s: float = OLD_S, dry_run: bool = False) -> list[str]:
        """Remove the parts of copies that were begun longer ago than that, unless in a `dry_run`; return the names."""
        begun_before = datetime.now(UTC) - timedelta(seconds=older_than_s)
        left = []
        # One service says of a bucket without uploads that there is no such upload.
        for item in list(self._bucket.list("list_multipart_uploads", ("NoSuchUpload",), Prefix=self._root)):
            if item["Initiated"] <= begun_before:
                place = replace(self._bucket, key=item["Key"])
                if not dry_run:
                    place.ask("abort_multipart_upload", (404,), UploadId=item["UploadId"])
                    forget(place, self.journal)
                left.append(place.key.removeprefix(self._root))
        return left

    def _place(self, name: str) -> Place:
        key = self._root + _require_text(validate_name(name))
        if len(key.encode()) > _MOST_KEY_BYTES:
            raise UnsafeInput(f"The name {name!r} is longer than the {_MOST_KEY_BYTES} bytes of a bucket's names.")
        return replace(self._bucket, key=key)

    def _find(self, name: str) -> tuple[Place, dict[str, Any]]:
        found = self._look(self._place(name))
        if found is None:
            raise NotFound(f"{name} is not in {self.url}. Check the name and the address.")
        return found

    def _look(self, place: Place) -> tuple[Place, dict[str, Any]] | None:
        """Return where a file is, in the form given or in another one, and what the service tells of it."""
        for key in dict.fromkeys([place.key, *(unicodedata.normalize(form, place.key) for form in ("NFC", "NFD"))]):
            spelled = replace(place, key=key)
            head = spelled.ask("head_object", (404,))
            if "refused" not in head:
                return spelled, head
        return None


def _require_text(name: str) -> str:
    """Return a name, if it can be sent: those of local files may hold bytes that no letter has."""
    if (plain := to_text(name)) != name:
        raise UnsafeInput(f"The name {plain} is not text (UTF-8). Give the file another name.")
    return name


def _is_plain(name: str) -> bool:
    try:
        return validate_name(name) == name
    except UnsafeInput:
        return False


def _describe(name: str, size_bytes: int, told: dict[str, Any]) -> Entry:
    moment = told["LastModified"].astimezone(UTC).isoformat(timespec="seconds")
    return Entry(name, size_bytes, moment, tag_of(told))
