"""The forms ROSI (CMS-304) and PQAS (CMS-304a), and what a run publishes to fill them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from pyspark.sql import types as T


class Form(StrEnum):
    """ROSI answers the invoice of the current quarter, PQAS corrects one earlier quarter."""

    ROSI = "ROSI"
    PQAS = "PQAS"


class CellKind(StrEnum):
    """How a cell of a form is shown: as text, or as a number with the decimals of its kind."""

    TEXT = "TEXT"
    UNITS = "UNITS"
    PRICE = "PRICE"
    MONEY = "MONEY"


class FormColumn(NamedTuple):
    """letter: the form's own. name: the key of a line."""

    letter: str
    name: str
    title: str
    kind: CellKind


_TEXT, _UNITS, _PRICE, _MONEY = CellKind
ROSI_COLUMNS = (
    FormColumn("A", "product", "Product / package code", _TEXT),
    FormColumn("B", "product_name", "Product name", _TEXT),
    FormColumn("C", "record_id", "Record ID", _TEXT),
    FormColumn("D", "ura", "Rebate amount per unit", _PRICE),
    FormColumn("E", "adjusted_ura", "Adjusted rebate amount per unit", _PRICE),
    FormColumn("F", "units_invoiced", "Units invoiced", _UNITS),
    FormColumn("G", "units_adjusted", "Units adjusted (+/-)", _UNITS),
    FormColumn("H", "units_disputed", "Units disputed", _UNITS),
    FormColumn("I", "units_paid", "Units paid", _UNITS),
    FormColumn("J", "adjustment_codes", "Adjustment code", _TEXT),
    FormColumn("K", "dispute_codes", "Dispute code", _TEXT),
    FormColumn("L", "amount_invoiced", "Rebate amount invoiced", _MONEY),
    FormColumn("M", "amount_corrected", "Correction (+/-)", _MONEY),
    FormColumn("N", "amount_withheld", "Amount withheld", _MONEY),
    FormColumn("O", "amount_paid", "Amount paid", _MONEY),
)
PQAS_COLUMNS = (
    FormColumn("A", "product", "Product / package code", _TEXT),
    FormColumn("B", "product_name", "Product name", _TEXT),
    FormColumn("C", "record_id", "Record ID", _TEXT),
    FormColumn("D", "original_ura", "Original rebate amount per unit", _PRICE),
    FormColumn("E", "current_ura", "Current rebate amount per unit", _PRICE),
    FormColumn("F", "original_units", "Original units invoiced", _UNITS),
    FormColumn("G", "current_units", "Current units to date", _UNITS),
    FormColumn("H", "prior_units_paid", "Prior units paid", _UNITS),
    FormColumn("I", "units_paid", "Current units paid to date", _UNITS),
    FormColumn("J", "prior_units_disputed", "Prior units disputed", _UNITS),
    FormColumn("K", "units_disputed", "Current units disputed to date", _UNITS),
    FormColumn("L", "original_amount", "Original amount invoiced", _MONEY),
    FormColumn("M", "revised_amount", "Revised invoice amount", _MONEY),
    FormColumn("N", "prior_amount_paid", "Prior amount paid", _MONEY),
    FormColumn("O", "amount_paid", "Current amount paid to date", _MONEY),
    FormColumn("P", "amount_this_time", "Amount paid this transaction", _MONEY),
    FormColumn("Q", "adjustment_codes", "Adjustment code", _TEXT),
    FormColumn("R", "dispute_codes", "Dispute code", _TEXT),
)
FORM_COLUMNS: Mapping[Form, tuple[FormColumn, ...]] = {Form.ROSI: ROSI_COLUMNS, Form.PQAS: PQAS_COLUMNS}
FORM_TITLES = {
    Form.ROSI: "Reconciliation of State Invoice (ROSI)",
    Form.PQAS: "Prior Quarter Adjustment Statement (PQAS)",
}
# The column whose total is what is remitted with the form.
REMITTED = {Form.ROSI: "amount_paid", Form.PQAS: "amount_this_time"}


@dataclass(frozen=True)
class FilledForm:
    """One form for one state, labeler, invoice and quarter. lines: by FormColumn.name, an empty cell None.

    interest: US dollars, None if it is not set. evidence: rows of EVIDENCE_COLUMNS that the codes need.
    """

    form: Form
    state: str
    labeler_code: str
    labeler_name: str | None
    rebate_type: str
    period: str
    invoice_number: str | None
    day: date
    contact: Mapping[str, str]
    lines: Sequence[Mapping[str, Any]]
    is_draft: bool
    interest: Decimal | None = None
    evidence: Sequence[Mapping[str, Any]] = ()

    @property
    def columns(self) -> tuple[FormColumn, ...]:
        """The columns of this kind of form, in the order of the published layout."""
        return FORM_COLUMNS[self.form]

    @property
    def title(self) -> str:
        """The heading, with the rebate type if it is not the federal one."""
        supplemental = "" if self.rebate_type == "FEDERAL" else f", {self.rebate_type.lower()} rebate"
        return FORM_TITLES[self.form] + supplemental

    @property
    def header(self) -> list[tuple[str, str]]:
        """The form's fields and their values; unknown fields are empty."""
        return [
            ("Labeler name", self.labeler_name or ""),
            ("Labeler code", self.labeler_code),
            ("Period covered (QYYYY)", f"{self.period[-1]}{self.period[:4]}"),
            ("State", self.state),
            ("Invoice number", self.invoice_number or ""),
            ("Date", self.day.isoformat()),
            *((title, self.contact.get(name) or "") for name, title in CONTACT_FIELDS.items()),
        ]

    def total(self, name: str) -> Decimal | None:
        """The sum of a column; None if every cell is empty."""
        known = [line[name] for line in self.lines if line[name] is not None]
        return sum(known, Decimal(0)) if known else None

    @property
    def remitted(self) -> Decimal | None:
        """What is paid with the form, interest included."""
        paid = self.total(REMITTED[self.form])
        return paid if self.interest is None else (paid or Decimal(0)) + self.interest


CONTACT_FIELDS = {"name": "Labeler contact", "phone": "Phone", "fax": "Fax", "email": "E-mail"}

_STRING, _STRINGS = T.StringType(), T.ArrayType(T.StringType())
_AMOUNT, _URA, _NUMBER = T.DecimalType(18, 2), T.DecimalType(15, 6), T.DecimalType(38, 3)
# Units in dispute. is_settled: a settlement holds them; else a person's decision that no settlement has taken up yet.
DISPUTED_UNITS = T.StructType(
    [
        T.StructField("code", _STRING),
        T.StructField("finding_id", _STRING),
        T.StructField("is_settled", T.BooleanType()),
        T.StructField("units", _NUMBER),
    ]
)
# One row per Medicaid program, state, kind of rebate, product and quarter with an invoice line, sub-programs added up.
# invoice_number: of the first invoice. is_current: the latest quarter that the state invoiced for this kind of rebate.
# units_original: of the first CURRENT line; units_current: of the latest CURRENT line; both NULL if there is none.
# units: all corrections included, NULL if the invoice states none. units_credited: taken out by the state's credits,
# units_repaid: repaid by entities. settled_...: sums of settlements, NULL if none is known for the quarter's invoice.
# sent_...: as last submitted on a form, NULL if never.
# ura_original: of the first snapshot of `prices`, ura_current: of the latest; NULL if unknown or not federal.
FORM_LINES = T.StructType(
    [
        T.StructField(name, kind)
        for name, kind in (
            ("program", _STRING),
            ("state", _STRING),
            ("rebate_type", _STRING),
            ("ndc11", _STRING),
            ("period", _STRING),
            ("labeler_code", _STRING),
            ("labeler_name", _STRING),
            ("product_name", _STRING),
            ("invoice_number", _STRING),
            ("is_current", T.BooleanType()),
            ("units_original", _NUMBER),
            ("units_current", _NUMBER),
            ("units", _NUMBER),
            ("units_credited", _NUMBER),
            ("units_repaid", _NUMBER),
            ("disputed", T.ArrayType(DISPUTED_UNITS)),
            ("ura_stated", _URA),
            ("ura_original", _URA),
            ("ura_current", _URA),
            ("amount_stated", _AMOUNT),
            ("settled_units_paid", _NUMBER),
            ("settled_units_disputed", _NUMBER),
            ("settled_amount_paid", _AMOUNT),
            ("sent_units_paid", _NUMBER),
            ("sent_units_disputed", _NUMBER),
            ("sent_amount_paid", _AMOUNT),
        )
    ]
)
# The other rows that a code's document consists of, as far as a state may see them: another claim line of the state
# itself for the same dispense, and the covered entity's claim. One row per finding and row.
EVIDENCE_ROWS = T.StructType(
    [
        T.StructField(name, kind)
        for name, kind in (
            ("finding_id", _STRING),
            ("role", _STRING),
            ("claim_id", _STRING),
            ("claim_line", T.LongType()),
            ("date_of_service", T.DateType()),
            ("pharmacy_npi", _STRING),
            ("rx_number", _STRING),
            ("fill_number", T.LongType()),
            ("ndc11", _STRING),
            ("units", T.DecimalType(15, 3)),
            ("entity_id", _STRING),
        )
    ]
)
DISPUTED_ROLE, OTHER_LINE_ROLE, ENTITY_ROLE = "Disputed claim", "Other claim line", "Claim of the covered entity"
# The evidence sheet of a form: each disputed claim, then the rows that its document consists of. reference: rows of
# published tables.
EVIDENCE_COLUMNS = (
    *("role", "record_id", "product", "claim_id", "claim_line", "date_of_service", "pharmacy_npi", "rx_number"),
    *("fill_number", "units", "dispute_code", "other_codes", "documents", "entity_id", "reference"),
)
