"""Settings: what is wrong in a file is said, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from conf.settings import Network, Settings, SettingsError, load


def test_the_example_file_holds_the_defaults() -> None:
    example = Path(__file__).parents[2] / "conf" / "local.yaml"
    assert load(str(example)) == Settings()


def test_a_given_option_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("lake: a\nengine: spark\nnetworks: [{cidr: 198.51.100.0/24, name: shop}]\n")
    settings = load(str(path), lake="b", raw=None)
    assert (settings.lake, settings.engine, settings.raw) == ("b", "spark", "raw")
    assert settings.networks == (Network("198.51.100.0/24", "shop", False),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lookbck_days: 3", "unknown lookbck_days; known are raw"),
        ("lookback_days: three", "lookback_days must be of type int, not 'three'"),
        ("lookback_days: true", "lookback_days must be of type int"),
        ("lookback_days: -1", "must not be negative"),
        ("[1, 2]", "expected `key: value` lines"),
        ("a: [", "cannot be read"),
        ("networks: [{cidr: 10.0.0.1/8, name: x}]", "has host bits set"),
        ("networks: [{cidr: 10.0.0.0/8}]", "a network needs cidr and name"),
        ("networks: 7", "networks must be a list"),
    ],
)
def test_a_wrong_file_is_said(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load(str(path))
    with pytest.raises(SettingsError, match="cannot be read"):
        load(str(tmp_path / "none.yaml"))
