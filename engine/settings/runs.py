"""Settings of the output folder (`engine.runs`)."""

from __future__ import annotations

from pydantic import Field

from engine.settings.base import Section


class OutputSettings(Section):
    """Where results go."""

    root: str = Field("output", description="folder of runs; --output sets it")
    connection: str | None = Field(None, description="one of `databases`, to which findings are written too")
    database_schema: str = Field("dbo", description="where its tables are")
    keep_rows: bool = Field(
        True, description="each run keeps its prepared rows and facts, from which `explain` answers in seconds"
    )
