"""One writer a lake. Who writes holds the lake's lock for as long as it does; who only reads needs none.

The folder `_lock` beside the tables has a file for each time that the lock was taken, by number: `0000000017.json`.
The latest has it, until its file says that it was released or its holder has died. To take it is to create the next
number, which of several only one can: a file system creates a name once (O_EXCL), and so does S3 (`If-None-Match: *`).
What is older is deleted by who takes it. A frozen or cut-off holder learns that it is one no longer from a number
beyond its own: it looks before each commit, and a thread looks every 20 seconds while a commit is made.

A holder is dead if its process is, where that can be seen: on the same boot of the same machine, among the same
processes (containers). Else if its file was not touched for two minutes, by the clock of the file system or of S3.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from jobs import logs
from jobs.errors import BusyError, LeaseholdError
from jobs.object_store import age, below, delete_below, get, is_remote, put, put_new
from jobs.show import moment, safe, span

FOLDER = "_lock"
BEAT_SECONDS = 20.0
STALE_SECONDS = 120.0
_PAUSE = 0.5


@dataclass(frozen=True)
class Holder:
    """Who has, or had, the lock. What a file does not say is empty."""

    number: int
    run_id: str = ""
    command: str = ""
    """what it runs, in words"""
    host: str = ""
    pid: int = 0
    born: str = ""
    """when its process started: numbers of processes are used again"""
    place: str = ""
    """where its process can be seen; see `_place`"""
    since: str = ""
    released: bool = False

    def __str__(self) -> str:
        """`leasehold run nightly (process 4711 on host a, run 3f5c…, since 2026-03-11 02:00:00Z)`."""
        if not self.run_id:
            return "somebody who has only just begun"
        who = f"process {self.pid} on host {self.host}, run {self.run_id}, since {self.since}"
        return safe(f"{self.command} ({who})")


class Files(Protocol):
    """The numbered files. What fails is an OSError; FileNotFoundError what is not there."""

    def numbers(self) -> list[int]: ...
    def create(self, number: int, data: bytes) -> bool: ...
    def read(self, number: int) -> bytes: ...
    def beat(self, number: int, data: bytes) -> None: ...
    def replace(self, number: int, data: bytes) -> None: ...
    def delete(self, number: int) -> None: ...
    def silent(self, number: int) -> float:
        """Seconds since it was written or touched, by the clock that stamped it."""
        ...


@dataclass(frozen=True)
class _Folder:
    path: Path

    def _file(self, number: int) -> Path:
        return self.path / f"{number:010}.json"

    def numbers(self) -> list[int]:
        return [int(file.stem) for file in self.path.glob("*.json") if file.stem.isdecimal()]

    def create(self, number: int, data: bytes) -> bool:
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with self._file(number).open("xb") as file:
                file.write(data)
        except FileExistsError:
            return False
        return True

    def read(self, number: int) -> bytes:
        return self._file(number).read_bytes()

    def beat(self, number: int, data: bytes) -> None:
        del data
        os.utime(self._file(number))

    def replace(self, number: int, data: bytes) -> None:
        half = self.path / f".{uuid.uuid4().hex}"
        half.write_bytes(data)
        half.replace(self._file(number))

    def delete(self, number: int) -> None:
        self._file(number).unlink(missing_ok=True)

    def silent(self, number: int) -> float:
        # On a network file system the server stamps: its clock and this machine's need not agree.
        now = self.path / f".{uuid.uuid4().hex}"
        now.touch()
        try:
            return now.stat().st_mtime - self._file(number).stat().st_mtime
        finally:
            now.unlink()


@dataclass(frozen=True)
class _Prefix:
    uri: str

    def _object(self, number: int) -> str:
        return f"{self.uri}/{number:010}.json"

    def numbers(self) -> list[int]:
        names = (found.uri.rpartition("/")[2].removesuffix(".json") for found in below(f"{self.uri}/"))
        return [int(name) for name in names if name.isdecimal()]

    def create(self, number: int, data: bytes) -> bool:
        return put_new(self._object(number), data)

    def read(self, number: int) -> bytes:
        try:
            return get(self._object(number))
        except FileExistsError:  # the connection broke, and by now there is another content
            return get(self._object(number))

    def beat(self, number: int, data: bytes) -> None:
        put(self._object(number), data)

    def replace(self, number: int, data: bytes) -> None:
        put(self._object(number), data)

    def delete(self, number: int) -> None:
        delete_below(self._object(number))

    def silent(self, number: int) -> float:
        return age(self._object(number))


def end_process(message: str) -> None:
    """Where the lock is lost while something is being written, nothing less stops an engine's threads in time."""
    logs.failed(message, BusyError.exit_code)
    os._exit(BusyError.exit_code)


@dataclass
class Lock:
    """A lake's lock, had by this process. Made by `writing`."""

    root: str
    files: Files
    holder: Holder
    beat_seconds: float = BEAT_SECONDS
    stale_seconds: float = STALE_SECONDS
    on_loss: Callable[[str], None] = end_process
    _done: threading.Event = field(default_factory=threading.Event)

    @property
    def run_id(self) -> str:
        """Of all that is run while it is held."""
        return self.holder.run_id

    def check(self) -> None:
        """Raise BusyError if another process has taken the lock over; to be called before anything is written."""
        try:
            lost = self._lost()
        except OSError as error:
            raise LeaseholdError(
                f"nothing more is written: the lock of {self.root!r} cannot be read: {error}"
            ) from None
        if lost:
            raise BusyError(lost)

    def beating(self) -> None:
        """Touch the lock's file until it is released: the body of a thread."""
        beaten = time.monotonic()
        while not self._done.wait(self.beat_seconds):
            try:
                lost = self._lost()
                if not lost:
                    self.files.beat(self.holder.number, _data(self.holder))
                    beaten = time.monotonic()
            except OSError as error:
                gone = time.monotonic() - beaten
                lost = f"{self._stops()}: its lock could not be renewed: {error}" if gone > self.stale_seconds else ""
            if lost and not self._done.is_set():
                self.on_loss(lost)
                return

    def release(self) -> None:
        """Give the lock back. What fails here is left to those who find its holder dead."""
        self._done.set()
        with suppress(OSError):
            if not self._lost():
                self.files.replace(self.holder.number, _data(replace(self.holder, released=True)))

    def _lost(self) -> str:
        latest = max(self.files.numbers(), default=0)
        if latest == self.holder.number:
            return ""
        by = f"was taken over by {_read(self.files, latest)}" if latest else "is not there any more"
        return f"{self._stops()}: its lock {by}. It had not been heard of for {span(int(self.stale_seconds))}"

    def _stops(self) -> str:
        return f"this run writes no more to {self.root!r}"


@contextmanager
def writing(
    root: str,
    command: str,
    wait: float = 0,
    beat_seconds: float = BEAT_SECONDS,
    stale_seconds: float = STALE_SECONDS,
    on_loss: Callable[[str], None] = end_process,
) -> Iterator[Lock]:
    """Hold the lake's lock. `command` says to others what for, in words.

    Raises BusyError if another process has it, for longer than `wait` seconds: who, where and since when. If the lock
    is lost on the way `on_loss` is called, from another thread.
    """
    _end_in_order()
    lock = _take(root, command, time.monotonic() + wait, stale_seconds)
    lock.beat_seconds, lock.stale_seconds, lock.on_loss = beat_seconds, stale_seconds, on_loss
    beating = threading.Thread(target=lock.beating, name="lock", daemon=True)
    beating.start()
    try:
        yield lock
    finally:
        lock.release()
        beating.join(timeout=_PAUSE)


def _end_in_order() -> None:
    """Let SIGTERM, by which schedulers end what they started, unwind as Ctrl-C does: so the lock is released."""
    in_charge = threading.current_thread() is threading.main_thread()
    if in_charge and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def held_by(root: str, stale_seconds: float = STALE_SECONDS) -> Holder | None:
    """Who has the lake's lock; None: nobody. Raises OSError."""
    files = _files(root)
    latest = max(files.numbers(), default=0)
    holder = _read(files, latest) if latest else None
    return None if holder is None or _free(files, holder, stale_seconds) else holder


def _take(root: str, command: str, until: float, stale_seconds: float) -> Lock:
    files = _files(root)
    mine = Holder(
        number=0,
        run_id=uuid.uuid4().hex,
        command=command,
        host=socket.gethostname(),
        pid=os.getpid(),
        born=_state(os.getpid())[1],
        place=_place(),
        since=moment(datetime.now(UTC)),
    )
    while True:
        try:
            found = _try(files, mine, stale_seconds)
        except OSError as error:
            raise LeaseholdError(f"the lock of the lake {root!r} cannot be taken: {error}") from None
        if found.run_id == mine.run_id:
            return Lock(root, files, found)
        if time.monotonic() >= until:
            raise BusyError(f"the lake {root!r} is being written by {found}: start again when that is done")
        time.sleep(_PAUSE)


def _try(files: Files, mine: Holder, stale_seconds: float) -> Holder:
    """Who has the lock now: `mine`, if it could be taken."""
    known = files.numbers()
    latest = max(known, default=0)
    if latest:
        holder = _read(files, latest)
        if not _free(files, holder, stale_seconds):
            return holder
    mine = replace(mine, number=latest + 1)
    if not files.create(mine.number, _data(mine)):
        return _read(files, mine.number)
    # Others may have taken and released it since, and deleted what was the latest: then this number is an old one.
    newest = max(files.numbers())
    if newest != mine.number:
        files.delete(mine.number)
        return _read(files, newest)
    for number in known:
        files.delete(number)
    return mine


def _free(files: Files, holder: Holder, stale_seconds: float) -> bool:
    if holder.released or _died(holder):
        return True
    try:
        return files.silent(holder.number) > stale_seconds
    except FileNotFoundError:  # deleted by whoever has taken it just now
        return False


def _died(holder: Holder) -> bool:
    """Can its process be seen from here, and is it not there any more?"""
    if not holder.place or holder.place != _place():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    state, born = _state(holder.pid)
    return state in ("Z", "X") or (bool(born) and born != holder.born)


def _state(pid: int) -> tuple[str, str]:
    """(R, S, Z …; when it was started, in ticks since the boot); empty where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", ""
    fields = stat.rpartition(")")[2].split()  # behind the name, which may hold anything
    return fields[0], fields[19]


def _place() -> str:
    """This boot of this machine, and of its containers this one; without /proc the machine."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode():x}"


def _data(holder: Holder) -> bytes:
    return json.dumps(asdict(holder), indent=1).encode()


def _read(files: Files, number: int) -> Holder:
    """What a file says; one that was only just created, or has gone, says nothing."""
    try:
        said: Any = json.loads(files.read(number))
        return replace(Holder(**said), number=number)
    except (FileNotFoundError, ValueError, TypeError):
        return Holder(number)


def _files(root: str) -> Files:
    if is_remote(root):
        return _Prefix(f"{root.rstrip('/')}/{FOLDER}")
    return _Folder(Path(root).resolve() / FOLDER)
