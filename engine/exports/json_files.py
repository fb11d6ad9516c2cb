"""The small JSON files of a run: ledger.json, summary.json."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from engine.runtime.storage import Storage


def write_json(storage: Storage, uri: str, value: Any) -> None:
    """Indented, keys in order, dates in ISO form, decimals as text. Raises OutputError, TypeError on other types."""
    storage.write_text(uri, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
