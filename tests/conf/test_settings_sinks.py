"""Sinks in the settings: what is wrong is said, with what to write instead, and never an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from conf.settings import SettingsError, load
from conf.sinks import Sink

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts"


def sinks(folder: Path, *entries: str) -> tuple[Sink, ...]:
    file = folder / "settings.yaml"
    file.write_text("sinks:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries))
    return load(str(file)).sinks


def test_every_kind(tmp_path: Path) -> None:
    made = sinks(
        tmp_path,
        "name: siem, kind: folder, to: s3://b/p",
        "name: hub, kind: security_hub",
        f'name: pager, kind: sns, to: "{TOPIC}.fifo", severity: high',
        "name: chat, kind: webhook, to_env: CHAT_URL, secret_env: CHAT_KEY",
        'name: here, kind: webhook, to: "http://127.0.0.1:8080/x"',
    )
    assert made[0] == Sink("siem", "folder", "s3://b/p") and made[2].severity == "high"
    assert made[3] == Sink("chat", "webhook", to_env="CHAT_URL", secret_env="CHAT_KEY")
    assert load(None).sinks == () and "127.0.0.1" not in repr(made[4])


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("name: a", "needs name and kind"),
        ("name: a, kind: folder, to: x, color: red", "needs name and kind"),
        ("name: A B, kind: folder, to: x", "small letters"),
        ("name: a, kind: mail, to: x", "kind is one of folder, security_hub, sns, webhook"),
        ("name: a, kind: folder", "to must be a folder or s3"),
        ("name: a, kind: folder, to: x, to_env: Y", "give one of them"),
        ("name: a, kind: folder, to: x, secret_env: Y", "only a webhook"),
        ("name: a, kind: folder, to: x, severity: loud", "severity is one of low, medium, high"),
        ("name: a, kind: security_hub, to: mars", "a region, like eu-west-1"),
        ("name: a, kind: sns, to: a-topic", "the ARN of a topic"),
        ('name: a, kind: webhook, to: "http://example.com/a-token"', "an https:// address"),
        ("name: a, kind: webhook, to_env: not a name", "names of environment variables"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, entry: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as raised:
        sinks(tmp_path, entry)
    assert "a-token" not in str(raised.value) and "settings.yaml" in str(raised.value)


def test_names_are_not_used_twice(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="two sinks have one name"):
        sinks(tmp_path, "name: a, kind: folder, to: x", "name: a, kind: folder, to: y")
