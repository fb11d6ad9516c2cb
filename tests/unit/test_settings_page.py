"""The page of settings: up to date, and a meaning and a working key for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs_pages import COMMAND
from docs_pages.settings import Setting, settings_of, settings_page
from engine.settings import Settings, load_settings

KEPT = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def listed() -> list[Setting]:
    return [setting for setting in settings_of("", Settings) if setting.type != "section"]


def test_the_page_is_up_to_date() -> None:
    assert KEPT.read_text(encoding="utf-8") == settings_page(), COMMAND


def test_every_setting_has_a_meaning() -> None:
    assert not [setting.key for setting in listed() if not setting.meaning]


@pytest.mark.parametrize(
    ("key", "row"),
    [
        (
            "link.days_apart",
            "whole number | `3` | between the dates of service of a rebate claim and a 340B claim, at most",
        ),
        ("databases.<name>.password.environment", "text |  | name of an environment variable"),
        ("deadlines.dispute_quarters_from", "one of POSTMARK, PERIOD | `POSTMARK`"),
        ("model.detectors.<name>.exponent", "number | `2.0` | kind power_sum"),
        ("model.claims.minimum_training_rows", "whole number | `200`"),
        ("as_of", "date |  |"),
    ],
)
def test_a_row_states_key_type_default_and_meaning(key: str, row: str) -> None:
    assert f"| `{key}` | {row}" in settings_page()


def test_keys_of_the_page_are_keys_of_the_command_line() -> None:
    """A default, set with --set under the key of the page, is accepted and changes nothing."""
    plain = [
        setting
        for setting in listed()
        if "<name>" not in setting.key and setting.default.startswith("`") and setting.type != "section"
    ]
    words = [f"{setting.key.lstrip('.')}={setting.default.strip('`')}" for setting in plain]
    assert len(words) > 100
    assert load_settings(None, words).result_settings == load_settings(None).result_settings
