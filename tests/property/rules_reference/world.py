"""A world as the contract prepares it: live rows, converted units, what later rows took back, products and prices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from tests.property import prepare_reference
from tests.property.rules_reference.basics import (
    CONTRACTS,
    MEDICAID,
    Row,
    covers,
    quarter_of,
    read,
    rx_key,
    thousandths,
)

LINEAGE = (
    *("source_row_id", "program", "payer_id", "plan_id", "rebate_type", "claim_id", "claim_line", "prior_claim_id"),
    *("prior_claim_line", "transaction", "ndc", "units", "amount_paid", "amount_third_party", "unit_rebate_amount"),
    *("rebate_amount", "period", "received_at"),
)


class Prepared:
    """The tables of one world, and of everybody, after the steps read and prepare.

    claims, entity_claims, invoices: live rows. Claims have ndc_units (None: not converted), left (units that no later
    row took back), natural (key of the dispense, None: none).
    """

    def __init__(self, tables: dict[str, list[dict[str, str]]]) -> None:
        self.tables = {name: _latest_snapshots(name, read(rows)) for name, rows in tables.items()}
        self.claims = self._live_claims()
        self.entity_claims = self._live_entity_claims()
        self.invoices = self.table("invoices")
        self.all_invoices: list[Row] = []  # of all worlds
        _take_back(self.claims)

    def table(self, name: str) -> list[Row]:
        return self.tables.get(name, [])

    def _live_claims(self) -> list[Row]:
        rows = self.table("rebate_claims")
        for row in rows:
            row["claim_line"] = row["claim_line"] or 1
            row["units_basis"] = row["units_basis"] or "NDC"
        texts = [{name: row[name] for name in LINEAGE} for row in rows]
        for text in texts:
            text["received_at"] = text["received_at"] and text["received_at"].isoformat()
        verdicts = prepare_reference.Lineages(texts).verdicts
        live = [row for place, row in enumerate(rows) if verdicts[place][0] is None]
        for row in live:
            self._describe(row)
            row["factor"] = self.factor(row)
            row["ndc_units"] = row["units"]
            if row["units_basis"] == "HCPCS":
                row["ndc_units"] = None if row["factor"] is None else thousandths(row["units"] * row["factor"])
            elif row["units_basis"] == "UNKNOWN":
                row["ndc_units"] = None
        return live

    def _describe(self, row: Row) -> None:
        row["ndc11"], row["ndc9"] = row["ndc"], row["ndc"][:9]
        row["rx_key"] = None
        if row["claim_type"] == "RX":
            is_hashed = row["rx_number"] is None and row["rx_number_hash"] is not None
            row["rx_key"] = f"{row['hash_scheme']}:{row['rx_number_hash']}" if is_hashed else rx_key(row["rx_number"])
        row["pharmacy"] = row["pharmacy_npi"] or self._of_ncpdp(row["pharmacy_ncpdp_id"])
        row["natural"] = natural_key(row)

    def _of_ncpdp(self, number: str | None) -> str | None:
        for one in self.table("pharmacies"):
            if number is not None and one["ncpdp_id"] == number:
                return one["npi"]
        return None

    def heir(self, npi: str | None) -> str | None:
        """The NPI that a pharmacy has today."""
        for one in self.table("pharmacies"):
            if one["npi"] == npi and one["successor_npi"] is not None:
                return one["successor_npi"]
        return npi

    def _live_entity_claims(self) -> list[Row]:
        rows = self.table("entity_claims")
        for row in rows:
            row["claim_type"] = row["claim_type"] or "RX"
            row["status"] = row["status"] or "SUBMITTED"
            self._describe(row)
            row["parent"] = self.parent(row["entity_id"], row["date_of_service"])
        live = []
        for row in rows:
            reversals = [one for one in rows if one["status"] == "REVERSED" and _cancels(one, row)]
            if row["status"] == "SUBMITTED" and row["is_340b"] is not False and not reversals:
                live.append(row)
        return live

    def factor(self, row: Row) -> Decimal | None:
        """NDC units in one HCPCS unit, by the pair's row in force on the day."""
        for pair in self.table("hcpcs_crosswalk"):
            same = pair["ndc"] == row["ndc"] and pair["hcpcs_code"] == row["hcpcs_code"]
            if same and covers(pair, row["date_of_service"]):
                return pair["ndc_units_per_hcpcs_unit"]
        return None

    def product(self, ndc: str, day: date) -> Row | None:
        for row in self.table("products"):
            if row["ndc"] == ndc and covers(row, day, "valid_from", "valid_to"):
                return row
        return None

    def price(self, ndc: str, period: str, name: str) -> Decimal | None:
        for row in self.table("prices"):
            if (row["ndc"], row["period"]) == (ndc, period):
                return row[name]
        return None

    def our_price(self, row: Row) -> Decimal | None:
        """URA of the federal Medicaid rebate; WAC less MFP; otherwise none of ours."""
        if row["program"] in MEDICAID and is_federal(row):
            return self.price(row["ndc"], row["period"], "unit_rebate_amount")
        if row["program"] == "MFP":
            quarter = quarter_of(row["date_of_service"])
            wac, mfp = (self.price(row["ndc"], quarter, name) for name in ("wac_unit", "mfp_unit"))
            return None if wac is None or mfp is None else max(wac - mfp, Decimal(0))
        return None

    def parent(self, entity: str, day: date) -> str:
        """The registered parent on the day; where none is named, the id less its site suffix if another shares it."""
        for row in self.table("covered_entities"):
            if row["entity_id"] == entity and covers(row, day, "valid_from", "valid_to") and row["parent_entity_id"]:
                return row["parent_entity_id"]
        known = {row["entity_id"] for rows in self.tables.values() for row in rows if row["entity_id"]}
        stem = entity.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        shares = any(other != entity and other.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == stem for other in known)
        return stem if stem != entity and shares else entity


# What tells apart the rows of one snapshot, in tables of which the worlds hold two.
SNAPSHOT_KEYS = {
    "products": ("ndc", "valid_from"),
    "covered_entities": ("entity_id", "valid_from", "participating_start"),
    "entity_npis": ("entity_id", "npi", "valid_from"),
}


def _latest_snapshots(table: str, rows: list[Row]) -> list[Row]:
    """Of several snapshots of one key the latest counts; without a date comes first."""
    if table not in SNAPSHOT_KEYS:
        return rows
    by_key: dict[tuple[Any, ...], Row] = {}
    for row in sorted(rows, key=lambda row: row["snapshot_date"] or date.min):
        by_key[tuple(row[name] for name in SNAPSHOT_KEYS[table])] = row
    return [row for row in rows if any(row is one for one in by_key.values())]


def is_federal(row: Row) -> bool:
    return row["rebate_type"] in (None, "FEDERAL")


def rebate_type(row: Row) -> str:
    return row["rebate_type"] or ("FEDERAL" if row["program"] in MEDICAID else "BASE")


def family(row: Row) -> str:
    """Programs whose rows are compared with each other."""
    return "MEDICAID" if row["program"] in MEDICAID else "CONTRACTS" if row["program"] in CONTRACTS else row["program"]


def payer(row: Row) -> str:
    return row["state"] if row["program"] in MEDICAID else row["payer_id"]


def natural_key(row: Row) -> tuple[Any, ...] | None:
    parts: tuple[Any, ...]
    if row["claim_type"] == "RX":
        parts = (row["pharmacy"], row["rx_key"], row["date_of_service"], row["ndc"])
        return None if None in parts or len(row["rx_key"]) < 4 else ("RX", *parts, row["fill_number"])
    line = row["claim_line"] or 1
    parts = (row["pharmacy"], row["claim_id"], line, row["date_of_service"], row["hcpcs_code"], row["ndc"])
    return None if None in parts else ("MEDICAL", *parts)


def arrival(row: Row, name: str = "received_at") -> tuple[Any, ...]:
    """`received_at`, nulls first, then the row's id."""
    return row[name] is not None, row[name] or 0, row["source_row_id"]


def _cancels(reversal: Row, row: Row) -> bool:
    """Whether a reversal is of the row's dispense and came at or after it; one without a time came after all."""

    def dispense(one: Row) -> tuple[Any, ...]:
        script = one["rx_key"] if one["claim_type"] == "RX" else one["claim_id"]
        key = (one["claim_type"], script, one["fill_number"], one["date_of_service"], one["ndc9"])
        return one["parent"], one["pharmacy"], *key

    if None in dispense(row)[:4] or dispense(reversal) != dispense(row):
        return False
    known = None not in (reversal["submitted_at"], row["submitted_at"])
    return not known or row["submitted_at"] <= reversal["submitted_at"]


def _take_back(claims: list[Row]) -> None:
    """Each live row of negative units takes back from the last live rows of its dispense and payer before it."""
    before: list[Row] = []
    for row in sorted(claims, key=arrival):
        units = row["units"] if row["ndc_units"] is None else row["ndc_units"]
        row["left"] = row["size"] = max(units, Decimal(0))
        if _acts_by_icn(row):
            continue
        for other in reversed(before):
            if units < 0 and row["natural"] is not None and _stream(row) == _stream(other):
                taken = min(other["left"], -units)
                other["left"] -= taken
                units += taken
        before.append(row)


def _acts_by_icn(row: Row) -> bool:
    """A notice of withdrawal acts on nothing, what names an ICN of MFP on that ICN alone."""
    is_closing = row["mtf_transaction_code"] in ("003", "009", "013") and row["mtf_icn"] is not None
    is_credit = row["units"] < 0 and (row["mtf_xref_icn"] is not None or is_closing)
    return row["program"] == "MFP" and (row["mtf_transaction_code"] == "005" or is_credit)


def _stream(row: Row) -> tuple[Any, ...]:
    return row["natural"], row["program"], payer(row), row["contract_id"], rebate_type(row)
