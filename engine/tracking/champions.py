"""The champion of a model: the alias in the registry, and the log of who moved it and why.

The log is stored in the registry itself, as one tag per entry on the registered model, so it is next to the alias on
any server. Entries are added and never changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from engine.tracking.mlflow_access import existing

_ENTRY = "promotion."
# Tag of a version: its difference in average precision, with interval, from other versions trained on the same rows.
SAME_ROWS = "auprc_less_that_of"


class Kind(StrEnum):
    """How a version became the champion."""

    FIRST = "FIRST"
    PROMOTED = "PROMOTED"
    ROLLED_BACK = "ROLLED_BACK"


@dataclass(frozen=True)
class Promotion:
    """An entry of the log. `at`: UTC; `from_version`: None without a previous champion; `figures`: the challenger's."""

    at: str
    by: str
    kind: Kind
    model: str
    from_version: str | None
    to_version: str
    reason: str
    figures: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, line: str) -> Promotion:
        """An entry of the promotion log from its stored line."""
        values = json.loads(line)
        return cls(**{**values, "kind": Kind(values["kind"])})


def promotions(client: Any, model_name: str) -> list[Promotion]:
    """The promotion log of a model, the oldest first; empty for an unknown model."""
    tags = _tags(client, model_name)
    return [Promotion.from_json(tags[key]) for key in sorted(tags) if key.startswith(_ENTRY)]


def champion_version(client: Any, model_name: str, alias: str) -> str | None:
    """The version that the alias names; None without a model or alias."""
    model = existing(lambda: client.get_registered_model(model_name))
    version = None if model is None else model.aliases.get(alias)
    return None if version is None else str(version)


def first_champion(model_name: str, version: str, before: str | None, by: str) -> Promotion:
    """The log entry of a version that becomes champion when it is registered."""
    kind, reason = (Kind.FIRST, "no version was champion") if before is None else (Kind.PROMOTED, "named at training")
    return Promotion(now(), by, kind, model_name, before, version, reason)


def move(client: Any, alias: str, entry: Promotion) -> Promotion:
    """Write the entry, then move the alias; if the alias cannot be moved, remove the entry."""
    # The time sorts entries; the suffix distinguishes two entries of one moment.
    moment = "".join(filter(str.isdigit, entry.at))
    key = f"{_ENTRY}{moment}.{uuid4().hex[:8]}"
    client.set_registered_model_tag(entry.model, key, entry.to_json())
    try:
        client.set_registered_model_alias(entry.model, alias, entry.to_version)
    except BaseException:
        client.delete_registered_model_tag(entry.model, key)
        raise
    return entry


def _tags(client: Any, model_name: str) -> Mapping[str, str]:
    model = existing(lambda: client.get_registered_model(model_name))
    return {} if model is None else model.tags


def now() -> str:
    """The present time in UTC, in the form of the promotion log."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def same_rows_tags(against: Mapping[str, tuple[float, float, float]]) -> dict[str, str]:
    """The tag of a version that compares it with other versions trained and measured on the same rows.

    By version: the average precision of this version less that of the other, with its interval. It lets one of them
    follow another as champion without a new training run.
    """
    return {SAME_ROWS: json.dumps({version: list(figures) for version, figures in sorted(against.items())})}
