"""The pages of docs/ that are generated from the code: `python -m docs_pages` writes them all."""

from __future__ import annotations

from collections.abc import Callable

from docs_pages.file_formats import file_formats_page
from docs_pages.findings import findings_page
from docs_pages.settings import settings_page
from docs_pages.work_tables import work_tables_page
from engine.contracts.page import input_page
from engine.facts.page import features_page
from tests.spec.page import page as rules_page

PAGES: dict[str, Callable[[], str]] = {
    "features.md": features_page,
    "file-formats.md": file_formats_page,
    "findings.md": findings_page,
    "input.md": input_page,
    "rules.md": rules_page,
    "settings.md": settings_page,
    "work-tables.md": work_tables_page,
}
COMMAND = "python -m docs_pages"
