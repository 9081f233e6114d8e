"""Reports opened in Chromium: nothing that stands in them runs, loads, or says anything on the console."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from pyspark.sql import SparkSession

from jobs import report_alert, report_pages
from jobs.report_page import render
from tests.jobs import report_lake
from tests.jobs.test_report import Read, assert_safe

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Wire:
    """An address that nobody may call, and who did."""

    def __init__(self) -> None:
        calls = self.calls = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                calls.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


class Opened(NamedTuple):
    """What a browser made of a page."""

    dom: str
    console: list[str]


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    made = Wire()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def browser() -> str:
    """Chromium; without it these tests are passed over, unless they are demanded."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        lack = "there is no Chromium to open reports in: `make chromium` installs it (Debian, Ubuntu)"
        if os.environ.get("REQUIRE_BOTH") or os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(lack)
        pytest.skip(lack)
    return found


def open_in(browser: str, page: Path, profile: Path, *options: str) -> Opened:
    """The page as the browser has it after loading, and what it said meanwhile."""
    done = subprocess.run(
        [
            browser, "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            *(["--no-sandbox"] if os.geteuid() == 0 else []), f"--user-data-dir={profile}",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--enable-logging=stderr",
            "--virtual-time-budget=2000", *options, page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=False, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    return Opened(done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line])


@pytest.mark.sail_only
def test_nothing_runs_and_nothing_leaves(spark: SparkSession, browser: str, wire: Wire, tmp_path: Path) -> None:
    """Hostile strings in every field of every page. That the wire and the console would tell is shown last."""
    lake = report_lake.make(spark, str(tmp_path / "lake"), wire.url)
    pages = {
        "flows": render(report_alert.of_alert(lake, "a0")),
        "calls": render(report_alert.of_alert(lake, "a1")),
        "function": render(report_pages.of_function(lake, report_lake.NAME)),
        "day": render(report_pages.of_day(lake, report_lake.DAY)),
    }

    def opened(name: str) -> Opened:
        file = tmp_path / f"{name}.html"
        file.write_text(pages[name], encoding="utf-8")
        return open_in(browser, file, tmp_path / f"profile-{name}", "--dump-dom")

    with ThreadPoolExecutor(2) as pool:
        seen = dict(zip(pages, pool.map(opened, pages), strict=True))
    for name, page in seen.items():
        assert page.console == [], name
        assert "<title>OWNED" not in page.dom, name
        made = assert_safe(page.dom)
        # The browser sees the same elements that were written: nothing broke out of its place.
        assert [tag for tag, _ in made.elements] == [tag for tag, _ in Read(pages[name]).elements], name
    assert wire.calls == []
    bare = f"<!doctype html><title>t</title>{report_lake.hostile('x', wire.url)}<script>console.log('heard')</script>"
    # A dialog, too, would be told: nobody closes it, and the browser runs out of time.
    (tmp_path / "bare.html").write_text(bare.replace("alert(", "console.log("), encoding="utf-8")
    told = open_in(browser, tmp_path / "bare.html", tmp_path / "profile-bare", "--dump-dom")
    assert {"/s", "/i"} <= set(wire.calls) and "<title>OWNED" in told.dom
    assert any("heard" in line for line in told.console)


@pytest.mark.sail_only
def test_what_is_folded_is_printed(spark: SparkSession, browser: str, wire: Wire, tmp_path: Path) -> None:
    """As if it had been opened; a page without that rule prints less."""
    lake = report_lake.make(spark, str(tmp_path / "lake"), wire.url)
    html = render(report_alert.of_alert(lake, "a0"))
    pages = {
        "folded": html,
        "open": html.replace("<details>", "<details open>"),
        "without": html.replace("details::details-content", "details::marker"),
    }
    assert len(set(pages.values())) == 3

    def printed(name: str) -> int:
        file, pdf = tmp_path / f"{name}.html", tmp_path / f"{name}.pdf"
        file.write_text(pages[name], encoding="utf-8")
        open_in(browser, file, tmp_path / f"profile-{name}", f"--print-to-pdf={pdf}", "--no-pdf-header-footer")
        assert pdf.read_bytes().startswith(b"%PDF")
        return pdf.stat().st_size

    with ThreadPoolExecutor(2) as pool:
        folded, opened, without = pool.map(printed, pages)
    assert folded == opened > without
