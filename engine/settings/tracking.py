"""Settings of MLflow (`engine.tracking`)."""

from __future__ import annotations

from pydantic import Field, field_validator

from engine.redaction import masked
from engine.settings.base import Section


class MlflowSettings(Section):
    """Where models are registered and runs are recorded."""

    tracking_uri: str | None = Field(None, description="default: a sqlite file in the output folder")
    registry_uri: str | None = Field(None, description="default: the tracking store")
    experiment: str = Field("drug-discount-claims", description="its name; made on first use")
    artifact_location: str | None = Field(None, description="default: a folder next to the sqlite file")
    claims_model: str = Field("claim-anomalies", description="registered model of claims")
    invoices_model: str = Field("invoice-anomalies", description="registered model of invoice lines")
    reranker_model: str = Field("finding-reranker", description="registered re-ranker of findings")
    alias: str = Field("champion", description="of the version that is used")

    @field_validator("artifact_location")
    @classmethod
    def _without_credentials(cls, location: str | None) -> str | None:
        if location is not None and masked(location) != location:
            raise ValueError("it holds a credential and would be stored in MLflow: give that in the environment")
        return location
