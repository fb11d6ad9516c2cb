"""Settings of features (`engine.facts`)."""

from __future__ import annotations

from pydantic import Field

from engine.settings.base import NonNegative, PositiveInt, Section


class PeerSettings(Section):
    """Typical values of a feature among its peers."""

    minimum: PositiveInt = Field(20, description="fewer peers: no z-score")
    sample_per_stratum: PositiveInt = Field(500, description="peers used for medians, chosen by hash")
    scale_floor: NonNegative = Field(0.05, description="least scale, as a part of the median's size")
    cap: NonNegative = Field(10.0, description="largest size of a z-score")
