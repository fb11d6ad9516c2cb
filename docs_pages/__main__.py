"""Write every generated page of docs/."""

from __future__ import annotations

from pathlib import Path

from docs_pages import PAGES

DOCS = Path(__file__).resolve().parents[1] / "docs"

for name, page in PAGES.items():
    (DOCS / name).write_text(page(), encoding="utf-8")
