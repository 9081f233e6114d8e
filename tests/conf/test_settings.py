"""Settings: what is wrong in a file is said, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from conf.settings import Account, Network, Settings, SettingsError, load


def test_the_example_file_holds_the_defaults() -> None:
    example = Path(__file__).parents[2] / "conf" / "local.yaml"
    assert load(str(example)) == Settings()


def test_a_given_option_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("lake: a\nengine: spark\nnetworks: [{cidr: 198.51.100.0/24, name: shop}]\n")
    settings = load(str(path), lake="b", raw=None)
    assert (settings.lake, settings.engine, settings.raw) == ("b", "spark", "raw")
    assert settings.networks == (Network("198.51.100.0/24", "shop", False),)


def test_accounts_to_poll(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "regions: [eu-west-1]\n"
        "accounts:\n"
        "  - {account_id: 123456789012}\n"
        "  - {account_id: '210987654321', role_name: team/leasehold-read, external_id: e-1, regions: [us-gov-west-1]}\n"
        "  - {account_id: '012345678901', role_arn: 'arn:aws-cn:iam::012345678901:role/r'}\n"
    )
    settings = load(str(path))
    assert settings.regions == ("eu-west-1",)
    assert settings.accounts == (
        Account("123456789012"),
        Account("210987654321", "arn:aws:iam::210987654321:role/team/leasehold-read", "e-1", ("us-gov-west-1",)),
        Account("012345678901", "arn:aws-cn:iam::012345678901:role/r"),
    )
    assert "e-1" not in repr(settings)


def test_where_to_respond_and_what_to_protect(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "responders: [{account_id: '210987654321', role_name: leasehold-respond, external_id: e-2}]\n"
        "protected_networks: [198.51.100.0/24, '2001:db8::/32', 192.0.2.7]\n"
    )
    settings = load(str(path))
    role = "arn:aws:iam::210987654321:role/leasehold-respond"
    assert settings.responders == (Account("210987654321", role, "e-2"),)
    assert settings.protected_networks == ("198.51.100.0/24", "2001:db8::/32", "192.0.2.7/32")
    for text, message in (
        ("responders: [{account_id: '1'}]", "must be 12 digits"),
        ("responders: [{account_id: '210987654321'}, {account_id: '210987654321'}]", "responders lists 210987654321"),
        ("protected_networks: [198.51.100.1/24]", "host bits set"),
        ("protected_networks: 198.51.100.0/24", "protected_networks must be a list"),
    ):
        path.write_text(text)
        with pytest.raises(SettingsError, match=message):
            load(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lookbck_days: 3", "unknown lookbck_days; known are raw"),
        ("lookback_days: three", "lookback_days must be of type int, not 'three'"),
        ("lookback_days: true", "lookback_days must be of type int"),
        ("lookback_days: -1", "must not be negative"),
        ("quality: strict", "quality is one of enforce, warn, off, not 'strict'"),
        ("keep_versions_days: 3", "keep_versions_days must be at least 7"),
        ("keep_days: [flow_logs]", "keep_days must be `<table>: <days>` lines"),
        ("keep_days: {flow_logs: 30, cloudtrail_events: 13}", "cloudtrail_events must be at least 14"),
        ("keep_days: {flow_logs: forever}", "keep_days must be"),
        ("log_format: xml", "log_format is one of text, json, not 'xml'"),
        ("[1, 2]", "expected `key: value` lines"),
        ("a: [", "cannot be read"),
        ("networks: [{cidr: 10.0.0.1/8, name: x}]", "has host bits set"),
        ("networks: [{cidr: 10.0.0.0/8}]", "a network needs cidr and name"),
        ("networks: 7", "networks must be a list"),
        ("regions: eu-west-1", "regions must be a list"),
        ("regions: [EU (Ireland)]", "a region is named as eu-west-1"),
        ("accounts: [{role_name: r}]", "an account needs account_id"),
        ("accounts: [{account_id: 12345678901}]", "account_id must be 12 digits, in quotes"),
        ("accounts: [{account_id: '123456789012', role: r}]", "an account needs account_id"),
        ("accounts: [{account_id: '123456789012', role_name: r, role_arn: a}]", "give one of them"),
        ("accounts: [{account_id: '123456789012', role_arn: 'arn:aws:iam::210987654321:role/r'}]", "has no role"),
        ("accounts: [{account_id: '123456789012', external_id: e}]", "has an external_id, but no role"),
        ("accounts: [{account_id: '123456789012', regions: eu-west-1}]", "regions must be a list"),
        ("accounts: [{account_id: '123456789012'}, {account_id: 123456789012}]", "123456789012 more than once"),
    ],
)
def test_a_wrong_file_is_said(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load(str(path))
    with pytest.raises(SettingsError, match="cannot be read"):
        load(str(tmp_path / "none.yaml"))
