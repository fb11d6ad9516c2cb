"""Settings of a rule (`engine.rules`)."""

from __future__ import annotations

from pydantic import Field

from engine.settings.base import Section


class RuleSettings(Section):
    """One rule: on or off, and its thresholds."""

    enabled: bool | None = Field(None, description="null: the default of the rule")
    thresholds: dict[str, float | int | str | list[str]] = Field(
        default_factory=dict, description="by the names that the page of rules lists"
    )
