"""What several commands of `leasehold` take, and the lake that they open."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from conf.settings import LOG_FORMATS, Settings, load
from jobs.errors import LeaseholdError
from jobs.lock import writing
from jobs.session import ENGINES, session
from jobs.storage import Lake, exists
from transforms.schemas import ALERTS

_PATIENCE = 15.0


class Engine(StrEnum):
    """The engines."""

    sail = ENGINES[0]
    spark = ENGINES[1]


class LogFormat(StrEnum):
    """How a run says what it does."""

    text, json = LOG_FORMATS


Config = Annotated[
    Path | None, typer.Option(envvar="LEASEHOLD_CONFIG", help="Settings file (YAML); see conf/local.yaml.")
]
RawFolder = Annotated[str | None, typer.Option("--raw", help="Folder of the raw files, as AWS laid them out.")]
LakeFolder = Annotated[str | None, typer.Option("--lake", help="Folder of the tables.")]
EngineName = Annotated[
    Engine | None, typer.Option(help="Engine: sail (embedded) or spark. [default: the settings', else sail]")
]
Master = Annotated[str | None, typer.Option(help="Spark master, as local[*] or spark://host:7077.")]
AlertId = Annotated[str, typer.Argument(metavar="ALERT", help="The alert's id, or its first characters.")]
LogFormatName = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format",
        help="text: bars; json: an object a line, on standard error. [default: the settings', else text]",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def settings_of(config: Path | None, lake: str | None) -> Settings:
    """The settings of a command that only needs a lake."""
    return load(str(config) if config else None, lake=lake)


def options_said(config: Path | None, lake: str | None) -> str:
    """The options of this command that the next one needs, too, as they are typed: ` --config demo/leasehold.yaml`."""
    given = (("--config", config and str(config)), ("--lake", lake))
    return "".join(f" {name} {shlex.quote(value)}" for name, value in given if value)


@contextmanager
def opened(settings: Settings, to_write: str = "", engine: str = "sail") -> Iterator[Lake]:
    """The lake on the embedded engine, unless told otherwise: it is up in two seconds, and reads what either wrote.

    `to_write`: it is locked, too, and that is what others are told. Raises BusyError if it stays locked by another.
    """
    if not exists(settings.lake, ALERTS):
        raise LeaseholdError(
            f"there are no tables in {settings.lake!r}: give --lake or --config, or make some with `leasehold run`"
        )
    # Two people may decide at once: each takes some seconds.
    held = writing(settings.lake, to_write, wait=_PATIENCE) if to_write else nullcontext()
    with held as lock, session(engine, settings.master, settings.lake) as spark:
        yield Lake(spark, settings.lake, lock)
