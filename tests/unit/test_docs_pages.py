"""Generated pages that no other test compares are the code's."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs_pages import COMMAND, PAGES


@pytest.mark.parametrize("name", ["file-formats.md", "findings.md"])
def test_the_page_is_up_to_date(name: str) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / name
    assert page.read_text(encoding="utf-8") == PAGES[name](), COMMAND
