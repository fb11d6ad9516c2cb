"""Settings of the anomaly models and of the re-ranker (`engine.models`)."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from engine.contracts.codes import Subject
from engine.contracts.facts import CLAIM_FEATURES, CLAIM_MEASURES, INVOICE_FEATURES, INVOICE_MEASURES
from engine.contracts.findings import FINDING_FEATURES
from engine.settings.base import SEED, NonNegative, PositiveInt, Section
from engine.settings.detectors import REMOVED_KINDS, SHIPPED_DETECTORS, DetectorSettings

ClaimFeature = typing.Literal[CLAIM_FEATURES]  # type: ignore[valid-type]
InvoiceFeature = typing.Literal[INVOICE_FEATURES]  # type: ignore[valid-type]
ClaimMeasure = typing.Literal[CLAIM_MEASURES]  # type: ignore[valid-type]
InvoiceMeasure = typing.Literal[INVOICE_MEASURES]  # type: ignore[valid-type]
FindingFeature = typing.Literal[FINDING_FEATURES]  # type: ignore[valid-type]


class SubjectModelSettings(Section):
    """Training of the anomaly model of one kind of rows."""

    detector: str = Field("power_sum", description="one of `model.detectors`; used from the next training on")
    training_rows: PositiveInt = Field(200_000, description="rows sampled by hash of their id")
    minimum_training_rows: PositiveInt = Field(200, description="fewer rows: no model is trained")


class ClaimModelSettings(SubjectModelSettings):
    """The anomaly model of rebate claims."""

    features: tuple[ClaimFeature, ...] = Field(CLAIM_FEATURES, description="read by detectors with inputs z")
    measures: tuple[ClaimMeasure, ...] = Field(CLAIM_MEASURES, description="read by detectors with inputs surprise")
    baseline_feature: ClaimFeature = Field(
        "f24_units_per_prescription", description="its robust z-score is what the model is compared with"
    )


class InvoiceModelSettings(SubjectModelSettings):
    """The anomaly model of invoice lines."""

    features: tuple[InvoiceFeature, ...] = Field(INVOICE_FEATURES, description="read by detectors with inputs z")
    measures: tuple[InvoiceMeasure, ...] = Field(INVOICE_MEASURES, description="read by detectors with inputs surprise")
    baseline_feature: InvoiceFeature = Field(
        "f48_paid_per_unit", description="its robust z-score is what the model is compared with"
    )


class FlagSettings(Section):
    """How many of the scored rows are flagged."""

    by: Literal["false_discovery_rate", "capacity"] = Field(
        "false_discovery_rate", description="which of the two limits decides how many rows are flagged"
    )
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="expected part of ordinary rows among the flagged ones, at most"
    )
    capacity: PositiveInt = Field(1_000, description="rows flagged at most, the rarest first")


class GroupSettings(Section):
    """Months of pharmacies, prescribers and covered entities that stand out; see docs/calibration.md."""

    enabled: bool = Field(True, description="false: months are not compared")
    budget: PositiveInt = Field(50, description="months flagged at most per subject, the strongest evidence first")
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="expected part of usual months among the flagged ones, at most"
    )
    minimum_claims: PositiveInt = Field(
        10, description="claims of the month, and of the group's other months, at least"
    )
    minimum_months: PositiveInt = Field(6, description="other months in which the group has claims, at least")
    minimum_peers: PositiveInt = Field(20, description="other groups that it is compared with, at least")
    minimum_compared: PositiveInt = Field(200, description="comparable months that the usual range rests on, at least")


class RerankerSettings(Section):
    """p(valid) of findings, learned from reviews; see docs/models.md."""

    enabled: bool = Field(True, description="false: none is trained, and priority.probability_valid orders the queue")
    features: tuple[FindingFeature, ...] = Field(FINDING_FEATURES, min_length=1, description="that it reads")
    minimum_of_each: PositiveInt = Field(
        50, description="valid and not valid findings among those drawn at RANDOM, each; with fewer none is trained"
    )
    inverse_penalty: Annotated[float, Field(gt=0)] = Field(
        1.0, description="C of scikit-learn's LogisticRegression: smaller holds weights closer to 0"
    )
    folds: Annotated[int, Field(ge=2)] = Field(5, description="each is calibrated on, and evaluated, by the others")
    isotonic_rows: PositiveInt = Field(
        5_000, description="RANDOM rows from which on the calibration may take any rising form, below them a sigmoid"
    )
    seed: int = Field(SEED, description="of its random numbers")

    @model_validator(mode="after")
    def _folds_hold_both_kinds(self) -> RerankerSettings:
        if self.minimum_of_each < 2 * self.folds:
            raise ValueError(f"expected minimum_of_each of at least twice the folds, {2 * self.folds}")
        return self


class EvaluationSettings(Section):
    """How a trained model is measured; see docs/models.md."""

    resamples: PositiveInt = Field(200, description="of pharmacies (invoices: states), for the intervals")
    level: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="share of resamples within an interval")
    seed: int = Field(SEED, description="of the resamples")
    minimum_decisions: PositiveInt = Field(20, description="of each kind, DISPUTE and DISMISS; fewer are not evaluated")
    minimum_planted: PositiveInt = Field(20, description="with fewer planted rows no version is shown to be better")
    drift_minimum_rows: PositiveInt = Field(1_000, description="on either side; with fewer no drift is given")
    notable_drift: NonNegative = Field(0.25, description="population stability index that `detect` makes a note of")


class ModelSettings(Section):
    """The anomaly models."""

    claims: ClaimModelSettings = ClaimModelSettings()
    invoices: InvoiceModelSettings = InvoiceModelSettings()
    detectors: dict[str, DetectorSettings] = Field(
        SHIPPED_DETECTORS, description="by name; the shipped ones stay unless they are given another kind"
    )
    flags: FlagSettings = FlagSettings()
    groups: GroupSettings = GroupSettings()
    held_out_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="part of the rows that the detector does not learn from, kept to compare scores with"
    )
    calibration_rows: PositiveInt = Field(500_000, description="held-out rows kept with the model, sampled by hash")
    strata: tuple[Literal["ndc9", "drug_category", "all"], ...] = Field(
        ("all",),
        min_length=1,
        description="rows are compared within the finest that is large enough: NDC-9 or drug category, x program",
    )
    stratum_minimum: PositiveInt = Field(
        200, description="held-out rows that a stratum needs before it is judged on its own"
    )
    batch_rows: PositiveInt = Field(50_000, description="rows per Arrow batch while scoring")
    review_capacity: PositiveInt = Field(1_000, description="rows that analysts can review: evaluated at this many")
    evaluation_rows: PositiveInt = Field(500_000, description="unlabeled rows sampled by hash for the evaluation")
    evaluation: EvaluationSettings = EvaluationSettings()
    reranker: RerankerSettings = RerankerSettings()

    @field_validator("detectors", mode="before")
    @classmethod
    def _with_the_shipped(cls, configured: Any) -> Any:
        """Parameters given to a shipped detector change these alone."""
        if not isinstance(configured, Mapping):
            return configured
        detectors: dict[str, Any] = {**SHIPPED_DETECTORS, **configured}
        for name, parameters in configured.items():
            if isinstance(parameters, Mapping) and parameters.get("kind") in REMOVED_KINDS:
                raise ValueError(
                    f"{name}: the kind {parameters['kind']} keeps training rows and is no longer offered; "
                    "use power_sum or isolation_forest"
                )
            shipped = SHIPPED_DETECTORS.get(name)
            if shipped and isinstance(parameters, Mapping) and parameters.get("kind", shipped.kind) == shipped.kind:
                detectors[name] = {**shipped.model_dump(), **parameters}
        return detectors

    def features_of(self, subject: Subject, inputs: str) -> tuple[str, ...]:
        """What a detector with these inputs reads of the subject."""
        of_subject = self.of(subject)
        return of_subject.features if inputs == "z" else of_subject.measures

    def of(self, subject: Subject) -> ClaimModelSettings | InvoiceModelSettings:
        """The settings of a subject's model; claims of covered entities have those of rebate claims."""
        return self.invoices if subject is Subject.INVOICE else self.claims

    def using(self, subject: Subject, detector: str) -> ModelSettings:
        """The same settings with another detector for the subject."""
        name = "invoices" if subject is Subject.INVOICE else "claims"
        return self.model_copy(update={name: self.of(subject).model_copy(update={"detector": detector})})
