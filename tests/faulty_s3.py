"""moto's AWS in a process of its own, behind a layer that fails a share of all calls as S3 does, or kills who calls."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

FAULTS = ("throttled", "failed", "refused", "broken off")
"""503 SlowDown; 500 InternalError; closed without an answer, nothing done; done, and closed half-way in the answer."""

_CLIENTS = {"boto3": "^Boto3", "s3a": "Hadoop", "object_store": "object_store|deltalake"}
_ERRORS = {"throttled": ("503 Slow Down", "SlowDown"), "failed": ("500 Internal Server Error", "InternalError")}
_XML = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>as injected</Message></Error>'
_CONTROL = "/-/"


class Call(NamedTuple):
    """One HTTP request."""

    client: str
    method: str
    path: str
    """with the query"""
    fault: str
    """empty: it was answered"""


@dataclass(frozen=True)
class FaultyS3:
    """The server, as tests see it."""

    url: str

    def empty(self) -> None:
        """Begin anew, with one bucket, `s3://here`, and nothing in it."""
        for method, path in (("POST", "/moto-api/reset"), ("PUT", "/here")):
            urllib.request.urlopen(urllib.request.Request(f"{self.url}{path}", method=method), timeout=30).close()
        self.calls()

    def fail(self, share: float, seed: int = 1) -> None:
        """From now on so large a share of all calls fails; the seed says which, as far as threads allow."""
        self._ask("fail", share=share, seed=seed)

    def kill(self, after: int) -> None:
        """Kill a process (SIGKILL) once so many of its calls are done; 0: none. Its app id has to be its number."""
        self._ask("kill", after=after)

    def calls(self) -> list[Call]:
        """All calls since this was last asked."""
        return [Call(*call) for call in self._ask("calls")]

    def _ask(self, what: str, **more: float) -> Any:
        with urllib.request.urlopen(f"{self.url}{_CONTROL}{what}", json.dumps(more).encode(), timeout=30) as answer:
            return json.load(answer)


def faults(calls: Iterable[Call]) -> Counter[str]:
    """How many calls of each client failed."""
    return Counter(call.client for call in calls if call.fault)


@contextmanager
def serving() -> Iterator[FaultyS3]:
    """A server until the end."""
    with subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield FaultyS3(f"http://127.0.0.1:{int(server.stdout.readline())}")
        finally:
            server.terminate()


def environment(url: str) -> dict[str, str]:
    """What a user would set to work with it."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class _Application:
    def __init__(self) -> None:
        self._moto, self._lock = DomainDispatcherApplication(create_backend_app), threading.Lock()
        self._share, self._random = 0.0, random.Random()
        self._left = 0
        self._calls: list[Call] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(_CONTROL):
            asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            start("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self._control(environ["PATH_INFO"].removeprefix(_CONTROL), **asked)).encode()]
        fault = self._fault(environ)
        if fault == "refused":
            raise ConnectionResetError
        if fault in _ERRORS:
            status, code = _ERRORS[fault]
            start(status, [("Content-Type", "application/xml")])
            return [_XML.format(code).encode()]
        if fault:
            return self._half(environ, start)
        answer = self._moto(environ, start)
        self._kill(environ)
        return answer

    def _kill(self, environ: dict[str, Any]) -> None:
        """It was done, and nobody hears of it."""
        caller = re.search(r"\bapp/(\d+)", environ.get("HTTP_USER_AGENT", ""))
        with self._lock:
            if caller and self._left:
                self._left -= 1
                if not self._left:
                    os.kill(int(caller[1]), signal.SIGKILL)

    def _control(self, what: str, share: float = 0, seed: int = 0, after: int = 0) -> list[Call]:
        with self._lock:
            if what == "kill":
                self._left = after
                return []
            if what == "fail":
                self._share, self._random = share, random.Random(seed)
                return []
            calls, self._calls = self._calls, []
            return calls

    def _fault(self, environ: dict[str, Any]) -> str:
        agent = environ.get("HTTP_USER_AGENT", "")
        client = next((name for name, sign in _CLIENTS.items() if re.search(sign, agent)), agent)
        with self._lock:
            fault = self._random.choice(FAULTS) if self._random.random() < self._share else ""
            path = f"{environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"
            self._calls.append(Call(client, environ["REQUEST_METHOD"], path, fault))
        return fault

    def _half(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        said: list[Any] = []
        body = b"".join(self._moto(environ, lambda *given: said.extend(given)))
        if len(body) > 1:
            start(*said)
            yield body[: len(body) // 2]
        raise ConnectionResetError


class _Handler(MotoRequestHandler):
    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        del error, environ
        self.close_connection = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    listening = make_server("127.0.0.1", 0, _Application(), threaded=True, request_handler=_Handler)
    print(listening.server_port, flush=True)
    listening.serve_forever()
