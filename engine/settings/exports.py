"""Settings of files for readers (`engine.exports`)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from engine.settings.base import Fraction, PositiveInt, Section


class ReviewSettings(Section):
    """The analysts' workbook."""

    rows_per_sheet: Annotated[int, Field(gt=1, le=1_048_575)] = Field(
        1_000_000, description="more lines continue on a further sheet"
    )
    findings_per_workbook: PositiveInt = Field(200_000, description="more findings continue in a further workbook")
    findings_with_claims: Annotated[int, Field(ge=0)] = Field(
        50_000, description="findings of a workbook whose claims are shown side by side, first of the queue first"
    )


class ReportSettings(Section):
    """report.html; no part of it changes a result."""

    findings: Annotated[int, Field(ge=0)] = Field(200, description="findings listed, first of the queue first")
    top: PositiveInt = Field(15, description="covered entities, pharmacies, states, labelers and products listed")
    volume_change: Annotated[float, Field(gt=0)] = Field(
        0.2, description="change of a source's rows from its earlier quarters from which on it is reported"
    )
    least_rows: PositiveInt = Field(50, description="rows a quarter below which a source is not compared")


class ContactSettings(Section):
    """Who answers for the labeler, in the header of dispute forms."""

    name: str | None = Field(None, description="labeler contact")
    phone: str | None = Field(None, description="as it is to be printed")
    fax: str | None = Field(None, description="as it is to be printed")
    email: str | None = Field(None, description="as it is to be printed")


class DisputeSettings(Section):
    """Files that leave the company."""

    unmasked_rx_recipients: tuple[str, ...] = Field(
        (), description="payers, states and entities that get whole Rx numbers; others get the last four characters"
    )
    contact: ContactSettings = ContactSettings()
    draft_formats: tuple[Literal["csv", "xlsx", "pdf"], ...] = Field(
        ("csv", "xlsx"), description="of the forms that `detect` drafts; final forms are written in all three"
    )
    fill_other_amounts: bool = Field(
        False, description="fill the money columns L, M and N of ROSI, L and M of PQAS too; unverified: their signs"
    )
    interest: dict[str, Decimal] = Field(
        default_factory=dict, description="US dollars of interest in the footer of forms, by `STATE/YYYYQn`"
    )
    mfp_justification_code: str | None = Field(
        None, description="code with which MFP refunds are answered; without it their lines stay drafts"
    )
    most_of_entity: Fraction = Field(
        0.5, description="part of one covered entity's 340B claims in dispute, more of which warns of a blanket dispute"
    )
    blanket_claims: PositiveInt = Field(10, description="claims of an entity in dispute, fewer of which never warn")


class RedactionSettings(Section):
    """Redaction for readers without a need to know; no part of it changes a result."""

    on: bool = Field(
        False,
        description="Rx numbers masked, prices and amounts removed, in review files, report, tickets and drafts; small "
        "counts suppressed in the report",
    )
    least_count: PositiveInt = Field(11, description="the least count that a redacted report shows (CMS: 11)")


class TicketSettings(Section):
    """The file of tickets for an issue tracker."""

    per: Literal["finding", "case"] = Field(
        "finding", description="a ticket for each finding of the queue, or for each case"
    )
    most: Annotated[int, Field(ge=0)] = Field(
        250, description="tickets at most, first of the queue first; 250 is what JIRA imports without an administrator"
    )
    keys: str | None = Field(
        None, description="CSV file exported from JIRA with External issue ID and Issue key, so that issues are updated"
    )
