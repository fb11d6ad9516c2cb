"""Settings of decisions and outcomes (`engine.feedback`)."""

from __future__ import annotations

from pydantic import Field

from engine.settings.base import Section


class FeedbackSettings(Section):
    """Where the job `feedback` keeps decisions and outcomes, and `detect` and `train` find them."""

    root: str | None = Field(None, description="folder; default: `feedback` below output.root")
    connection: str | None = Field(None, description="one of `databases`, instead of the folder")
    database_schema: str = Field("dbo", description="where the tables decisions and outcomes are in it")
