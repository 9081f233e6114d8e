"""A webhook: a signed POST a parcel, over HTTPS, to whoever listens there."""

from __future__ import annotations

import functools
import hashlib
import hmac
import random
import time
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

import urllib3

from jobs.hand_over.parcels import NOT_TRIED, Outcome, Parcel
from jobs.judgements import release
from jobs.show import safe

_LIMIT = 1_000_000
_ATTEMPTS, _FIRST_WAIT, _LONGEST_WAIT = 4, 1.0, 30.0
_TIMEOUT = urllib3.Timeout(connect=5, read=10)
_LATER = {408, 425, 429, 500, 502, 503, 504}
_PATIENCE = 3


def deliver(
    url: str,
    secret: str,
    parcels: Sequence[Parcel],
    pause: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> Iterator[Outcome]:
    """Post each, up to four times; where three in a row find nobody the rest is left for the next run."""
    parts = urlsplit(url)
    headers = {"User-Agent": f"Leasehold/{release()}"}
    if parts.username:
        headers |= urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}")
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    lost = 0
    with urllib3.PoolManager(retries=False, timeout=_TIMEOUT, cert_reqs="CERT_REQUIRED") as pool:
        for number, parcel in enumerate(parcels):
            try:
                body = parcel.text(_LIMIT).encode("ascii")
            except ValueError as error:
                yield parcel, str(error)
                continue
            lack, down = _post(pool, url, body, functools.partial(_headers, headers, parcel, body, secret, now), pause)
            yield parcel, lack
            lost = lost + 1 if down else 0
            if lost == _PATIENCE:
                yield from ((rest, f"{NOT_TRIED}the webhook is down") for rest in parcels[number + 1 :])
                return


def _headers(
    base: dict[str, str], parcel: Parcel, body: bytes, secret: str, now: Callable[[], float]
) -> dict[str, str]:
    """What it is, and, with a secret, that it is from us and when: HMAC-SHA256 of `<seconds>.<body>`."""
    seconds = str(int(now()))
    made = base | {
        "Content-Type": "application/json",
        "Leasehold-Delivery": _plain(parcel.id),
        "Leasehold-Timestamp": seconds,
    }
    if secret:
        digest = hmac.new(secret.encode(), seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
        made["Leasehold-Signature"] = f"sha256={digest}"
    return made


def _plain(text: str) -> str:
    return safe(text).encode("ascii", "replace").decode("ascii")


def _post(
    pool: urllib3.PoolManager,
    url: str,
    body: bytes,
    headers: Callable[[], dict[str, str]],
    pause: Callable[[float], None],
) -> tuple[str, bool]:
    """Why it did not arrive (empty: it did), and whether the other side is down. No address is in what it says."""
    said = ""
    for attempt in range(_ATTEMPTS):
        wait = min(_FIRST_WAIT * 2**attempt * random.uniform(1, 1.25), _LONGEST_WAIT)
        try:
            # A redirect would take the alert, and what is in its address, to somebody whom nobody named.
            answer = pool.request("POST", url, body=body, headers=headers(), redirect=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            said = f"no answer ({type(error).__name__})"
        else:
            if 200 <= answer.status < 300:
                return "", False
            said = f"answered {answer.status}"
            if answer.status not in _LATER:
                return said, False
            after = answer.headers.get("Retry-After", "")
            wait = max(wait, min(float(after), _LONGEST_WAIT)) if after.isdecimal() else wait
        if attempt + 1 < _ATTEMPTS:
            pause(wait)
    return f"{said}, {_ATTEMPTS} times", True
