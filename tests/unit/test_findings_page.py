"""The page of the columns of findings is the code's."""

from __future__ import annotations

from pathlib import Path

from docs_pages import COMMAND
from docs_pages.findings import findings_page


def test_the_page_of_findings_is_up_to_date() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "findings.md"
    assert page.read_text(encoding="utf-8") == findings_page(), COMMAND
