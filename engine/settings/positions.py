"""Settings of the tie-out (`engine.positions`)."""

from __future__ import annotations

from pydantic import Field, model_validator

from engine.settings.base import Fraction, Section


class TieOutSettings(Section):
    """Invoice against claim-level detail: parts of the units invoiced by which they may differ."""

    red: Fraction = Field(0.10, description="above it a line is red: no claim of it is offered for dispute")
    yellow: Fraction = Field(0.005, description="above it a line is yellow")

    @model_validator(mode="after")
    def _in_order(self) -> TieOutSettings:
        if self.yellow > self.red:
            raise ValueError("yellow must not exceed red")
        return self
