"""Objects of S3, by boto3: below a root like `s3://bucket/prefix` as files are below a folder.

For raw files and for what is no table. The tables themselves the engines read and write with clients of their own.
All of them take the same credentials, those of AWS's usual chain, and AWS_ENDPOINT_URL where it is set. Whatever
fails here for good is an OSError, as with files.
"""

from __future__ import annotations

import errno
import io
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import IO, Any, cast

from jobs.errors import LeaseholdError

ATTEMPTS = 10
"""A call that S3 throttles or fails to answer is made so many times in all, over about a minute and a half."""
CONNECTIONS = 16
"""so many calls at once"""

_LONGEST_WAIT = 20.0
_BROKEN_LISTING = ("Error getting list response body", "end of file before message length reached")
_KINDS: dict[str, type[OSError]] = {
    **dict.fromkeys(("404", "NoSuchKey", "NoSuchBucket", "NotFound"), FileNotFoundError),
    **dict.fromkeys(("412", "PreconditionFailed"), FileExistsError),
    **dict.fromkeys(("403", "AccessDenied"), PermissionError),
    "ConditionalRequestConflict": BlockingIOError,
}


@dataclass(frozen=True)
class Object:
    """An object, as a listing shows it."""

    uri: str
    size: int
    etag: str
    """MD5 of the content, except with SSE-KMS, SSE-C and uploads in several parts: there only another for another"""


def is_remote(root: str) -> bool:
    """Is it on S3? Raises LeaseholdError for any other URI."""
    if "://" not in root:
        return False
    if not root.startswith("s3://") or not root[len("s3://") :].split("/")[0]:
        raise LeaseholdError(f"{root!r} is neither a folder nor s3://bucket/prefix")
    return True


def endpoint() -> str:
    """Where S3 is, if not at AWS: what the usual variables say."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def allow_http() -> None:
    """Let Sail and `deltalake` speak to an endpoint without TLS, if the user has named one."""
    if endpoint().startswith("http://"):
        os.environ.setdefault("AWS_ALLOW_HTTP", "true")


def split(uri: str) -> tuple[str, str]:
    """`s3://bucket/a/b` → ("bucket", "a/b")."""
    bucket, _, key = uri[len("s3://") :].partition("/")
    return bucket, key


def level(uri: str) -> tuple[list[str], list[Object]]:
    """What lies directly below `s3://bucket/a/`: URIs of folders, each with a `/` at its end, and objects.

    One call for a thousand of both, whatever lies deeper. Raises OSError.
    """
    bucket, prefix = split(uri)
    folders, objects = [], []
    for page in _pages(bucket, Prefix=prefix, Delimiter="/"):
        folders += [f"s3://{bucket}/{entry['Prefix']}" for entry in page.get("CommonPrefixes", ())]
        objects += _objects(bucket, page)
    return folders, objects


def below(uri: str) -> list[Object]:
    """All objects whose URI begins so. Raises OSError."""
    bucket, prefix = split(uri)
    return [found for page in _pages(bucket, Prefix=prefix) for found in _objects(bucket, page)]


def get(uri: str) -> bytes:
    """The content. Raises OSError; FileNotFoundError if it is not there."""
    with open_object(uri) as stream:
        return stream.read()


def put(uri: str, data: bytes) -> None:
    """Write an object, whole or not at all. Raises OSError."""
    bucket, key = split(uri)
    with _said(uri):
        _client().put_object(Bucket=bucket, Key=key, Body=data)


def put_new(uri: str, data: bytes) -> bool:
    """The same if there is none of that name; else False. Raises OSError.

    An attempt whose answer was lost may have written it: the same content there is success.
    """
    bucket, key = split(uri)
    for attempt in range(ATTEMPTS):
        try:
            with _said(uri):
                _client().put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
            return True
        except FileExistsError:
            try:
                return get(uri) == data
            except (FileNotFoundError, FileExistsError):  # another's, who goes on with it
                return False
        except BlockingIOError:  # somebody writes or deletes it at this moment: S3 does not say who was first
            if attempt + 1 == ATTEMPTS:
                raise
            time.sleep(wait(attempt))
    raise AssertionError


def age(uri: str) -> float:
    """Seconds since it was written, by S3's own clock. Raises OSError; FileNotFoundError if it is not there."""
    bucket, key = split(uri)
    with _said(uri):
        answer = _client().head_object(Bucket=bucket, Key=key)
    asked = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return float((asked - answer["LastModified"]).total_seconds())


def delete_below(uri: str) -> None:
    """Delete all objects whose URI begins so. Raises OSError."""
    bucket, _ = split(uri)
    found = below(uri)
    for start in range(0, len(found), 1_000):
        with _said(uri):
            keys = [{"Key": split(one.uri)[1]} for one in found[start : start + 1_000]]
            _client().delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})


def open_object(uri: str) -> IO[bytes]:
    """A stream of the content from its beginning. Raises OSError; FileNotFoundError if it is not there.

    Where the connection breaks it goes on from there, with the same version of the object.
    """
    return cast(IO[bytes], _Stream(uri))


def wait(attempt: int) -> float:
    """Seconds to wait after an attempt, counted from 0, that failed: 0.1, 0.2, 0.4 … 20, a part of it by chance."""
    return min(0.1 * float(2**attempt), _LONGEST_WAIT) * random.uniform(0.5, 1)


def is_broken_listing(error: BaseException) -> bool:
    """Did a listing break off in Sail or `deltalake`? Their library makes every call again that fails, but this.

    https://github.com/apache/arrow-rs-object-store/pull/383 says so.
    """
    return any(words in str(error) for words in _BROKEN_LISTING)


def patiently(ask: Callable[..., Any], path: str, **more: Any) -> Any:
    """Something of `deltalake` that may be done twice: on S3 it gives up on a listing that breaks off."""
    if not is_remote(path):
        return ask(path, **more)
    allow_http()
    for attempt in range(ATTEMPTS):
        try:
            return ask(path, **more)
        except Exception as error:
            if not is_broken_listing(error) or attempt + 1 == ATTEMPTS:
                raise
            time.sleep(wait(attempt))
    raise AssertionError


class _Stream(io.RawIOBase):
    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._position, self._etag = 0, ""
        self._body: Any = None
        self._connect()

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        wanted = len(buffer)
        for attempt in range(ATTEMPTS):
            try:
                if self._body is None:
                    self._connect()
                data = self._body.read(wanted)
                break
            except _broken() as error:
                self._drop()
                if attempt + 1 == ATTEMPTS:
                    raise OSError(errno.EIO, f"the connection broke {ATTEMPTS} times: {type(error).__name__}") from None
                time.sleep(wait(attempt))
            except _damaged() as error:
                raise OSError(errno.EIO, str(error)) from None
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._drop()
        super().close()

    def _connect(self) -> None:
        bucket, key = split(self._uri)
        more = {"Range": f"bytes={self._position}-", "IfMatch": self._etag} if self._position else {}
        with _said(self._uri):
            answer = _client().get_object(Bucket=bucket, Key=key, **more)
        self._body, self._etag = answer["Body"], answer["ETag"]

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


def _pages(bucket: str, **asked: str) -> Iterator[dict[str, Any]]:
    # Keys may hold what XML cannot: they come encoded, and botocore decodes them.
    with _said(f"s3://{bucket}/{asked['Prefix']}"):
        yield from _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, **asked)


def _objects(bucket: str, page: dict[str, Any]) -> list[Object]:
    """A page's objects, without the empty ones that consoles make for folders."""
    return [
        Object(f"s3://{bucket}/{entry['Key']}", entry["Size"], entry["ETag"].strip('"'))
        for entry in page.get("Contents", ())
        if not entry["Key"].endswith("/")
    ]


@cache
def _client() -> Any:
    """One for all threads. Workers of Spark come here after they have been forked."""
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    settings = Config(retries=retries, max_pool_connections=CONNECTIONS, connect_timeout=10, read_timeout=60)
    return boto3.session.Session().client("s3", config=settings)


def _broken() -> tuple[type[Exception], ...]:
    """What is raised when a connection breaks within an answer."""
    from botocore.exceptions import HTTPClientError, IncompleteReadError
    from urllib3.exceptions import HTTPError

    return HTTPClientError, IncompleteReadError, HTTPError


def _damaged() -> tuple[type[Exception], ...]:
    """What is raised when all of an answer came, and its check sum is wrong."""
    from botocore.exceptions import FlexibleChecksumError

    return (FlexibleChecksumError,)


@contextmanager
def _said(uri: str) -> Iterator[None]:
    """AWS's errors as OSErrors, in its own words."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        code = str(said.get("Code", ""))
        kind = _KINDS.get(code, OSError)
        raise kind(errno.EIO, f"{code}: {said.get('Message', '')}"[:300], uri) from None
    except BotoCoreError as error:
        raise OSError(errno.EIO, str(error)[:300], uri) from None
