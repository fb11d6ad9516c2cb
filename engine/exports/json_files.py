"""The small JSON files of a run, such as ledger.json and summary.json."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from engine.runtime.storage import Storage


def write_json(storage: Storage, uri: str, value: Any, sorts_keys: bool = True) -> None:
    """Write indented JSON with ISO dates and decimals as text; keys are sorted unless the value's order is kept.

    Raises OutputError, TypeError on other types.
    """
    text = json.dumps(value, indent=2, sort_keys=sorts_keys, ensure_ascii=False, default=_plain)
    storage.write_text(uri, text + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
