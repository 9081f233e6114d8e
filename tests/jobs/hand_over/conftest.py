"""AWS for sinks (moto, with every call noted), a webhook that fails as it is told, and parcels."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import botocore.client
import pytest
from moto import mock_aws

from jobs import object_store
from jobs.hand_over.parcels import Parcel
from jobs.ocsf_findings import finding
from tests.jobs.moto_alone import alone
from tests.jobs.test_ocsf import alert

REGION = "eu-west-1"
OWN_TOPIC = f"arn:aws:sns:{REGION}:123456789012:alerts"


@dataclass
class Calls:
    """What AWS was asked, and what is answered instead of moto."""

    made: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    """by operation: an answer, or a function of the parameters that returns one, or raises"""

    def actions(self) -> set[str]:
        """What a policy has to allow."""
        return {f"{service}:{operation}" for service, operation, _ in self.made}

    def of(self, operation: str) -> list[dict[str, Any]]:
        return [params for _, name, params in self.made if name == operation]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Calls]:
    """An AWS of the test's own; retries do not wait."""
    alone(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_REGION", REGION)
    calls, plain = Calls(), botocore.client.BaseClient._make_api_call

    def noted(self: Any, operation: str, params: dict[str, Any]) -> Any:
        service = self.meta.service_model.service_name
        calls.made.append((service, operation, params))
        instead = calls.answers.get(operation)
        answer = instead(params) if callable(instead) else instead
        return plain(self, operation, params) if answer is None else answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", noted)
    with mock_aws():
        object_store._client.cache_clear()
        yield calls
    object_store._client.cache_clear()


@dataclass
class Hook:
    """A webhook: what it got, and what it answers, in turn; then 200."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int | tuple[int, dict[str, str]] | None] = field(default_factory=list)
    """a status, one with headers, or None: the connection is closed without an answer"""


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append((dict(self.headers.items()) | {"path": self.path}, body))
            answer = made.answers.pop(0) if made.answers else 200
            if answer is None:
                self.close_connection = True
                return
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}/hook?token=a-token"
    yield made
    server.shutdown()
    server.server_close()


def parcel(number: int = 0, **overrides: Any) -> Parcel:
    """An alert in a state, packed."""
    row = alert(alert_id=f"a{number}") | {"had": None, "had_at": None, "failures": None} | overrides
    made = finding({name: row[name] for name in alert()})
    made["metadata"] = made["metadata"] | {"uid": f"a{number}-x"}
    return Parcel(f"a{number}-x", row, made)
