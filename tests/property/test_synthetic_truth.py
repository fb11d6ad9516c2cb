"""The truth of generated claims against a slow, plain reading of the rules (domain part 7, contract parts 3 and 4).

Nothing here looks into the generator: rules are worked out from the tables that it writes.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from statistics import median
from typing import Any

import pyarrow as pa
import pytest

from engine.settings import SyntheticSettings
from synthetic import chunks
from synthetic.balances import BOUGHT_TIMES, PART_SCHEMA, balance_labels, times_bought
from synthetic.dispenses import Plan
from synthetic.entity_claims import chargeback_batch
from synthetic.inflation import KEY, SUM, build_reports
from synthetic.invoices import KEYS, build_invoices
from synthetic.kinds import Label
from synthetic.references import reference_tables
from synthetic.sales import build_sales
from synthetic.world import build_world

MEDICAID = ("MDRP_FFS", "MDRP_MCO")
UNDER_CONTRACT = ("COMMERCIAL", "PARTD")
RULES_ON_CLAIMS = {
    *("R001", "R002", "R003", "R004", "R005", "R008", "R009", "R011", "R016", "R017", "R018", "R019", "R020"),
    *("R021", "R022", "R024", "R035", "R036", "R053"),
    *(
        "R010",
        "R012",
        "R013",
        "R023",
        "R025",
        "R026",
        "R027",
        "R028",
        "R029",
        "R030",
        "R031",
        "R032",
        "R033",
        "R039",
        "R040",
        "R041",
        "R051",
        "R054",
        "R056",
        "R057",
        "R058",
        "R059",
        "R060",
        "R061",
    ),
}
UNREPORTED = {"ndc": "", "termination_date": None, "reactivation_date": None, "cod_status": None}
TWICE = ("R046", "R047")
UNLISTED_CODES = {"J3490"}
RULES_ON_INVOICES = {"R022", "R025", "R026", "R027", "R034", "R035", "R036", "R037", "R038", "R053", "R058", "R059"}
MODIFIERS = {("TX", "U8"): date(2015, 9, 1), ("GA", "UD"): date(2018, 7, 1), ("SC", "TB"): date(2025, 12, 1)}


class Tables:
    """Everything of one small run, in memory."""

    register: dict[str, list[dict[str, Any]]]  # set by what needs the register of covered entities by id

    def __init__(self, seed: int, claims: int = 20_000, per_chunk: int = 10_000, **settings: Any) -> None:
        self.settings = SyntheticSettings(dispenses_per_chunk=per_chunk, **settings)
        self.plan = plan = Plan(seed, claims, self.settings)
        self.world = world = build_world(seed)

        def rows(maker: Any) -> pa.Table:
            return pa.Table.from_batches([maker(world, plan, chunk) for chunk in range(plan.chunks)])

        self.rebate = rows(chunks.rebate_claim_rows).to_pylist()
        self.pharmacy = rows(chunks.pharmacy_claim_rows).to_pylist()
        self.part_b = rows(chunks.part_b_rows).to_pylist()
        self.settlements = rows(chunks.settlement_rows).to_pylist()
        self.entity = rows(chunks.entity_claim_rows).to_pylist()
        parts = rows(chunks.invoice_part_rows)
        keys = len(KEYS)
        totals = parts.group_by(parts.column_names[:keys]).aggregate([(n, "sum") for n in parts.column_names[keys:]])
        totals = totals.rename_columns(parts.column_names)
        invoiced = build_invoices(world, totals, self.settings.violation_rate)
        lines, truth_of_lines = invoiced.lines, invoiced.labels
        self.line_settlements = invoiced.settlements.to_pylist()
        sold, truth_of_sales = build_sales(world, lines, plants_violations=True)
        self.invoices = lines.to_pylist()
        labels_of_lines = [*truth_of_lines.to_pylist(), *truth_of_sales.to_pylist()]
        self.truth_of_lines = [row for row in labels_of_lines if row["label"] == Label.TRUTH]
        self.look_alike_lines = [row for row in labels_of_lines if row["label"] == Label.LOOK_ALIKE]
        self.sales = sold.to_pylist()
        bought = rows(chunks.purchase_rows)
        sums = bought.group_by(bought.column_names[:3]).aggregate([("units", "sum")])
        sums = sums.rename_columns(bought.column_names).combine_chunks().to_batches()[0]
        self.chargebacks = chargeback_batch(world, sums, times_bought(world, sums, True)).to_pylist()
        parts = rows(chunks.balance_part_rows)
        how = {"bought": "sum", "claimed": "sum", "first_day": "min", "last": "max"}
        balances = parts.group_by(PART_SCHEMA.names[:3]).aggregate([*how.items()]).rename_columns(PART_SCHEMA.names)
        self.balance_labels = balance_labels(balances).to_pylist()
        parts = rows(chunks.inflation_part_rows)
        claimed = parts.group_by(KEY).aggregate([(SUM, "sum")]).rename_columns(parts.column_names)
        reports, truth_of_reports = build_reports(world, claimed, plants_violations=True)
        self.reports, self.labels_of_reports = reports.to_pylist(), truth_of_reports.to_pylist()
        self.reference = {name: table.to_pylist() for name, table in reference_tables(world)}
        self.label = {label: [] for label in Label}
        for row in rows(chunks.label_rows).to_pylist():
            self.label[row["label"]].append(row)

    def labels(self, label: Label, prefix: str) -> list[dict[str, Any]]:
        """Of the rows of one feed, as the first letters of their ids say."""
        return [row for row in self.label[label] if row["source_row_id"].startswith(prefix)]


def ndc11(text: str) -> str:
    if "-" not in text:
        return text
    labeler, product, package = text.split("-")
    return labeler.zfill(5) + product.zfill(4) + package.zfill(2)


def rx_and_fill(row: dict[str, Any]) -> tuple[str | None, int | None]:
    text = row["rx_number"]
    if text is None:
        return None, None
    with_fill = re.fullmatch(r"0*(\d{4,9})[-/ ](\d{1,2})", text)
    if with_fill:
        fill = row["fill_number"]
        return with_fill[1], int(with_fill[2]) if fill is None else fill
    return text.lstrip("0"), row["fill_number"]


def quarter(day: date) -> str:
    return f"{day.year}Q{(day.month + 2) // 3}"


def first_day(period: str) -> date:
    return date(int(period[:4]), 3 * int(period[5]) - 2, 1)


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def live_rebate_rows(tables: Tables) -> list[dict[str, Any]]:
    """Rows that stand after netting, with normalised values added."""
    npi_of = {row["ncpdp_id"]: row["npi"] for row in tables.reference["pharmacies"]}
    factor = {row["ndc"]: row["ndc_units_per_hcpcs_unit"] for row in tables.reference["hcpcs_crosswalk"]}
    rows = [dict(row) for row in tables.rebate]
    for row in rows:
        row["ndc11"], row["period"] = ndc11(row["ndc"]), row["period"].replace("-", "")
        row["pharmacy"] = row["pharmacy_npi"] or npi_of[row["pharmacy_ncpdp_id"]]
        row["rx"], row["fill"] = rx_and_fill(row)
        row["ndc_units"] = row["units"] * factor[row["ndc11"]] if row["units_basis"] == "HCPCS" else row["units"]
        row["line"] = row["claim_line"] or 1
    version = {"ORIGINAL": 0, "ADJUSTMENT": 1, "VOID": 2}
    rows.sort(key=lambda r: (r["received_at"], version[r["transaction"]], r["source_row_id"]))
    seen, kept = set(), []
    for row in rows:
        same = tuple(
            row[name]
            for name in ("program", "payer_id", "plan_id", "claim_id", "line", "transaction", "ndc11", "units",
                         "amount_paid", "amount_third_party", "unit_rebate_amount", "rebate_amount", "period")
        )  # fmt: skip
        if same not in seen:
            seen.add(same)
            kept.append(row)
    gone = {row["source_row_id"] for row in kept if row["transaction"] == "VOID"}
    by_claim = defaultdict(list)
    for place, row in enumerate(kept):
        by_claim[row["payer_id"], row["plan_id"], row["claim_id"]].append((place, row))
    for place, row in enumerate(kept):
        if row["transaction"] == "ORIGINAL":
            continue
        prior = row["prior_claim_id"] or row["claim_id"]
        for other_place, other in by_claim[row["payer_id"], row["plan_id"], prior]:
            own_key = prior == row["claim_id"]
            same_key = other["program"] == row["program"] and other["line"] == row["line"]
            if other is not row and (not own_key or (same_key and other_place < place)):
                gone.add(other["source_row_id"])
    return [row for row in kept if row["source_row_id"] not in gone]


def live_entity_rows(tables: Tables) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    rows = defaultdict(list)
    reversed_keys = set()
    for row in tables.entity:
        rx, fill = rx_and_fill(row)
        key = (row["entity_id"], row["pharmacy_npi"], rx, fill, row["date_of_service"], ndc11(row["ndc"])[:9])
        if row["status"] == "REVERSED":
            reversed_keys.add(key)
        elif row["is_340b"] is not False:
            rows[key].append(row)
    by_script = defaultdict(list)
    for key, found in rows.items():
        if key not in reversed_keys:
            by_script[key[1], key[2]].extend({**row, "fill": key[3], "ndc11": ndc11(row["ndc"])} for row in found)
    return by_script


def is_linked(row: dict[str, Any], candidates: list[dict[str, Any]]) -> bool:
    """T1 to T4 of domain part 4.3."""
    for other in candidates:
        days = abs((row["date_of_service"] - other["date_of_service"]).days)
        quantity = abs(other["quantity"] / row["ndc_units"] - 1)
        same_fill = row["fill"] == other["fill"] or None in (row["fill"], other["fill"])
        if row["ndc11"] == other["ndc11"] and ((days == 0 and same_fill) or (days <= 3 and quantity <= 0.05)):
            return True
        if row["ndc11"][:9] == other["ndc11"][:9] and days <= 3:
            return True
    return False


def robust_z(values: dict[str, float]) -> dict[str, float]:
    middle = median(values.values())
    scale = max(1.4826 * median(abs(v - middle) for v in values.values()), 0.05 * abs(middle))
    return {key: (value - middle) / scale for key, value in values.items()} if len(values) >= 20 and scale else {}


def far_from_peers(values: dict[tuple[Any, ...], dict[str, float]]) -> set[str]:
    return {key for group in values.values() for key, z in robust_z(group).items() if abs(z) > 4}


def flag_340b(row: dict[str, Any]) -> bool:
    if "20" in (row["submission_clarification_codes"] or "").split("|") or row["basis_of_cost"] == "08":
        return True
    begins = [MODIFIERS.get((row["state"], modifier)) for modifier in (row["modifiers"] or "").split("|")]
    return row["claim_type"] == "MEDICAL" and any(day and day <= row["date_of_service"] for day in begins)


def claim_findings(tables: Tables) -> set[tuple[str, str]]:
    live = live_rebate_rows(tables)
    entity = live_entity_rows(tables)
    reference = tables.reference
    price = {(row["ndc"], row["period"]): row for row in reference["prices"]}
    product = {row["ndc"]: row for row in reference["products"]}
    method = {row["state"]: row["method"] for row in reference["state_340b_policies"] if row["program"] == "MDRP_FFS"}
    listed = {
        (row["npi"] or row["medicaid_number"], row["medicaid_state"], row["quarter"])
        for row in reference["medicaid_exclusions"]
    }
    owned = {row["npi"] for row in reference["entity_npis"]}
    on_list = {(row["contract_id"], row["pharmacy_npi"]) for row in reference["contract_pharmacy_lists"]}
    contract = defaultdict(list)
    for row in reference["rebate_contracts"]:
        contract[row["contract_id"]].append(row)
        contract[row["payer_id"], row["program"]].append(row)
    last_sent = {}
    for row in sorted(tables.pharmacy, key=lambda r: r["transaction_at"]):
        rx, fill = rx_and_fill(row)
        last_sent[row["pharmacy_npi"], rx, fill, row["date_of_service"], ndc11(row["ndc"])] = row
    usual = defaultdict(dict)
    for row in live:
        usual[row["ndc11"], row["program"]][row["source_row_id"]] = float(row["ndc_units"])
    far = far_from_peers(usual)
    earlier, fills, dispenses = defaultdict(list), defaultdict(list), defaultdict(list)
    for row in live:
        fills[row["patient_key"], row["ndc11"][:9]].append(row)
        dispenses[dispense_of(row)].append(row)
    ended = {row["labeler_code"]: row["end_date"] or date.max for row in reference["labelers"]}
    crosswalk = {
        row["ndc"]: (row["hcpcs_code"], row["ndc_units_per_hcpcs_unit"]) for row in reference["hcpcs_crosswalk"]
    }
    received = {(row["program"], row["state"], row["period"], row["rebate_type"]) for row in tables.invoices}
    billed = {(row["program"], row["state"], row["period"], row["rebate_type"], row["ndc"]) for row in tables.invoices}
    found = set()

    def excludes(row: dict[str, Any]) -> bool:
        for terms in contract[row["contract_id"] or (row["payer_id"], row["program"])]:
            in_force = terms["begin_date"] <= row["date_of_service"] < (terms["end_date"] or date.max)
            scope = {
                "ALL": True,
                "ENTITY_OWNED": row["pharmacy"] in owned,
                "LISTED_PHARMACIES": (terms["contract_id"], row["pharmacy"]) in on_list,
                "FLAGGED_ONLY": flag_340b(row),
            }[terms["exclusion_scope"]]
            if in_force and terms["excludes_340b"] and scope:
                return True
        return False

    credited = {
        (row["program"], row["ndc"], row["claim_id"]): row["settled_on"]
        for row in tables.settlements
        if row["kind"] in ("STATE_CREDIT", "ENTITY_REPAID")
    }
    for row in live:
        if row["ndc_units"] <= 0 or is_taken_back(row, dispenses[dispense_of(row)]):
            continue
        special = row["rebate_type"] if row["rebate_type"] == "SUPPLEMENTAL" else None
        invoice = (row["program"], row["payer_id"], row["period"], special)
        if invoice in received and (*invoice, row["ndc11"]) not in billed:
            found.add((row["source_row_id"], "R061"))
        if row["ndc11"] not in product:
            found |= {(row["source_row_id"], "R025")} if row["program"] in MEDICAID else set()
            continue
        served, program = row["date_of_service"], row["program"]
        linked = row["rx"] is not None and is_linked(row, entity[row["pharmacy"], row["rx"]])
        prices = price[row["ndc11"], quarter(served)]
        fires = set()
        if program == "MDRP_FFS":
            in_file = any(
                (number, row["payer_id"], quarter(served)) in listed
                for number in (row["pharmacy"], row["medicaid_provider_id"])
            )
            fires |= {"R001"} if flag_340b(row) else set()
            fires |= {"R002"} if in_file and method.get(row["payer_id"], "MEF") == "MEF" else set()
            fires |= {"R003"} if linked else set()
            fires |= {"R021"} if row["amount_paid"] == 0 and not row["amount_third_party"] else set()
        if program == "MDRP_MCO":
            fires |= {"R004"} if flag_340b(row) else set()
            fires |= {"R005"} if linked else set()
        if program in ("COMMERCIAL", "PARTD") and linked and excludes(row):
            fires.add({"COMMERCIAL": "R008", "PARTD": "R009"}[program])
        asks = row["mtf_transaction_code"] in (None, "001", "002")
        if program == "MFP" and linked and asks and served >= date(2026, 1, 1):
            fires |= {"R011"} if prices["ceiling_unit"] < prices["mfp_unit"] else set()
        if program == "MFP" and asks and prices["mfp_unit"] is not None:
            refund = cents(row["ndc_units"] * (prices["wac_unit"] - prices["mfp_unit"]))
            fires |= {"R060"} if abs(row["rebate_amount"] - refund) > Decimal("0.01") else set()
        facts = product[row["ndc11"]]
        terminated, back = facts["termination_date"], facts["reactivation_date"]
        if terminated and (served - terminated).days > 365 and not (back and terminated < back <= served):
            fires |= {"R022"} if program != "MFP" else set()
        if program != "MFP" and row["rx"] is not None:
            key = (row["pharmacy"], row["rx"], row["fill"], served, row["ndc11"], rebate_type(row))
            last = last_sent.get(key[:5])
            if last and last["transaction_code"] == "B2" and last["transaction_at"] <= row["received_at"]:
                fires.add("R020")
            fires |= repeats(row, earlier[key])
            earlier[key].append(row)
        if program in MEDICAID:
            fires |= {"R024"} if served < facts["market_date"] else set()
            exact = cents(row["ndc_units"] * row["unit_rebate_amount"])
            fires |= {"R053"} if abs(exact - row["rebate_amount"]) > Decimal("0.01") else set()
            group = usual[row["ndc11"], program]
            ratio = float(row["ndc_units"]) / median(group.values())
            fires |= {"R035"} if row["source_row_id"] in far and not 1 / 3 <= ratio <= 3 else set()
            at_wac = row["ndc_units"] * prices["wac_unit"]
            priced = price.get((row["ndc11"], row["period"]), prices)
            rebate = row["ndc_units"] * priced["unit_rebate_amount"]
            fires |= {"R028"} if is_measured_otherwise(row, product[row["ndc11"]], ratio) else set()
            paid, is_explained = row["amount_paid"], row["amount_third_party"] or flag_340b(row)
            is_low = paid and not Decimal("0.2") <= paid / at_wac <= 3 and rebate / paid > Decimal("1.5")
            if is_low and not is_explained:
                fires.add("R036")
        fires |= fires_by_itself(row, product[row["ndc11"]], price, crosswalk, excludes(row))
        fires |= outside_agreement(program, product[row["ndc11"]], ended, served)
        settled_on = credited.get((program, row["ndc11"], row["claim_id"]), date.max)
        fires |= {"R059"} if settled_on < row["received_at"].date() else set()
        fires |= {"R039"} if refills_early(row, fills[row["patient_key"], row["ndc11"][:9]]) else set()
        if row["rx"] is not None:
            before = [other for other in dispenses[dispense_of(row)] if other["received_at"] < row["received_at"]]
            fires |= {"R012"} if program == "MFP" and repeats_open_icn(row, dispenses[dispense_of(row)]) else set()
            fires |= {"R057"} if is_asked_elsewhere(row, before) else set()
        found |= {(row["source_row_id"], rule) for rule in fires}
    return found


def rebate_type(row: dict[str, Any]) -> str:
    return row["rebate_type"] or ("FEDERAL" if row["program"] in MEDICAID else "BASE")


def is_taken_back(row: dict[str, Any], dispense: list[dict[str, Any]]) -> bool:
    """By a later row of negative units: the latest rows of before it, up to its units."""
    rows = sorted(
        (other for other in dispense if rebate_type(other) == rebate_type(row)), key=lambda r: r["received_at"]
    )
    left = {other["source_row_id"]: other["ndc_units"] for other in rows}
    for place, back in enumerate(rows):
        units = -back["ndc_units"]
        for other in reversed(rows[:place]):
            taken = min(max(units, 0), max(left[other["source_row_id"]], 0))
            left[other["source_row_id"]] -= taken
            units -= taken
    return left[row["source_row_id"]] == 0


def repeats(row: dict[str, Any], earlier: list[dict[str, Any]]) -> set[str]:
    """R016 to R019, of rows that may not be the two parts of one fill."""
    for other in reversed(earlier):
        if {other["dispensing_status"], row["dispensing_status"]} == {"P", "C"}:
            continue
        if (other["program"] in MEDICAID) != (row["program"] in MEDICAID):
            continue
        secondary = (row["amount_third_party"] or 0) != (other["amount_third_party"] or 0)
        same = ("payer_id", "program", "period")
        if secondary and all(other[name] == row[name] for name in same):
            return set()
        fires = (
            "R018" if other["payer_id"] != row["payer_id"]
            else "R017" if other["program"] != row["program"]
            else "R019" if other["period"] != row["period"]
            else "R016"
        )  # fmt: skip
        return {fires}
    return set()


def fires_by_itself(
    row: dict[str, Any], product: dict[str, Any], price: dict[str, Any], crosswalk: dict[str, Any], is_excluded: bool
) -> set[str]:
    """Rules that need no other row."""
    fires, served, program = set(), row["date_of_service"], row["program"]
    prescriber = row["prescriber_npi"]
    if prescriber and not re.fullmatch("[A-Z]{2}[0-9]{7}", prescriber) and not luhn(prescriber):
        fires.add("R051")
    if program in ("COMMERCIAL", "PARTD") and flag_340b(row) and is_excluded:
        fires.add("R010")
    if program == "MFP" and row["mtf_transaction_code"] == "009" and row["rebate_amount"] > 0:
        fires.add("R013")
    if program in UNDER_CONTRACT:
        return fires | (by_conversion(row, crosswalk) & {"R031"})
    if program not in MEDICAID:
        return fires
    terminated, back = product["termination_date"], product["reactivation_date"]
    if terminated and 0 < (served - terminated).days <= 365 and not (back and terminated < back <= served):
        fires.add("R023")
    is_federal = row["rebate_type"] in (None, "FEDERAL")
    own_quarter = quarter(served if program == "MDRP_MCO" else row["paid_date"])
    fires |= {"R054"} if own_quarter != row["period"] else set()
    stated, ours = row["unit_rebate_amount"], price.get((row["ndc11"], row["period"]))
    is_known = is_federal and stated and ours
    fires |= {"R056"} if is_known and abs(stated - ours["unit_rebate_amount"]) > Decimal("0.000001") else set()
    # of September 2026, where other rules speak; by the period and by the invoice, a quarter later
    fires |= {"R040"} if fires and row["period"] < "2023Q2" else set()
    fires |= {"R058"} if is_federal and row["sub_program"] in ("CHIP_SEPARATE", "STATE_ONLY") else set()
    packages = row["ndc_units"] / product["units_per_package"]
    if row["claim_type"] == "RX" and row["compound_code"] != "2" and row["dispensing_status"] is None:
        counted_whole = product["unit_type"] in ("CAP", "EA", "TDP") and product["units_per_package"] % 1 == 0
        fires |= {"R029"} if counted_whole and row["ndc_units"] % 1 else set()
        is_broken = product["unit_type"] == "GM" and abs(packages - round(packages)) > Decimal("0.01")
        fires |= {"R030"} if is_broken else set()
    fires |= {"R041"} if program == "MDRP_FFS" and (row["paid_date"] - served).days > 365 else set()
    fires |= {"R033"} if row["compound_code"] == "2" and packages > 1 else set()
    return fires | by_conversion(row, crosswalk)


def by_conversion(row: dict[str, Any], crosswalk: dict[str, Any]) -> set[str]:
    if not row["hcpcs_code"]:
        return set()
    code, factor = crosswalk[row["ndc11"]]
    if code != row["hcpcs_code"]:
        return set() if row["hcpcs_code"] in UNLISTED_CODES else {"R032"}
    is_taken_over = row["units_basis"] != "HCPCS" and row["units"] == row["hcpcs_units"] and factor != 1
    return {"R031"} if is_taken_over and row["modifiers"] != "JW" else set()


def is_measured_otherwise(row: dict[str, Any], product: dict[str, Any], ratio: float) -> bool:
    """In another billing unit than the product's, and off the usual by units per package or shifted decimals."""
    own = product["unit_type"] if product["unit_type"] in ("ML", "GM") else "EA"
    package = float(product["units_per_package"])
    factors = [10, 0.1, 1_000, 0.001, *([package, 1 / package] if package != 1 else [])]
    return row["unit_of_measure"] not in (None, own) and any(abs(ratio / one - 1) < 0.02 for one in factors)


def outside_agreement(program: str, product: dict[str, Any], ended: dict[str, date], day: date) -> set[str]:
    if program not in MEDICAID:
        return set()
    excluded = {"R026"} if product["cod_status"] in ("05", "06") else set()
    return excluded | ({"R027"} if ended.get(product["ndc"][:5], date.max) <= day else set())


def luhn(npi: str) -> bool:
    digits = [int(digit) for digit in "80840" + npi]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(npi) == 10 and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def refills_early(row: dict[str, Any], fills: list[dict[str, Any]]) -> bool:
    if {"03", "04", "05", "13"} & set((row["submission_clarification_codes"] or "").split("|")):
        return False
    before = [other for other in fills if other["date_of_service"] < row["date_of_service"]]
    if not before or row["dispensing_status"] == "C":
        return False
    last = max(other["date_of_service"] for other in before)
    supply = max(other["days_supply"] or 0 for other in before if other["date_of_service"] == last)
    return supply > 0 and (row["date_of_service"] - last).days / supply < 0.5


def dispense_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["pharmacy"], row["rx"], row["fill"], row["date_of_service"], row["ndc11"]


def is_asked_elsewhere(row: dict[str, Any], before: list[dict[str, Any]]) -> bool:
    others = [other for other in before if (other["program"] in MEDICAID) != (row["program"] in MEDICAID)]
    if not others:
        return False
    last = max(others, key=lambda other: other["received_at"])
    of_medicaid = row if row["program"] in MEDICAID else last
    return not (of_medicaid["amount_third_party"] or 0) > 0


def repeats_open_icn(row: dict[str, Any], dispense: list[dict[str, Any]]) -> bool:
    requests = [other for other in dispense if other["program"] == "MFP"]
    dispense = [other for other in requests if other["mtf_transaction_code"] != "005"]
    if row not in dispense:
        return False
    closing = ("003", "009", "013")
    closed = {other["mtf_xref_icn"] for other in dispense}
    closed |= {other["mtf_icn"] for other in dispense if other["mtf_transaction_code"] in closing}
    before = [other for other in dispense if other["received_at"] < row["received_at"]]
    return row["mtf_icn"] not in closed and any(
        other["mtf_icn"] not in closed and other["mtf_icn"] != row["mtf_icn"] for other in before
    )


def invoice_findings(tables: Tables, peers_of_one_program: bool) -> set[tuple[str, str]]:
    product = {row["ndc"]: row for row in tables.reference["products"]}
    ended = {row["labeler_code"]: row["end_date"] or date.max for row in tables.reference["labelers"]}
    market = {(row["ndc"], quarter(row["effective_date"])): row for row in tables.reference["market_prices"]}
    claimed, invoiced = defaultdict(Decimal), defaultdict(Decimal)
    for row in live_rebate_rows(tables):
        key = (row["program"], row["payer_id"], row["ndc11"], row["period"], invoiced_apart(row))
        claimed[key] += row["ndc_units"]
    per_prescription, per_unit, own = defaultdict(dict), defaultdict(dict), defaultdict(list)
    quarters = defaultdict(list)
    for row in tables.invoices:
        peers = (row["ndc"], row["program"] if peers_of_one_program else None, row["rebate_type"])
        of_line = ("program", "state", "ndc", "period", "invoice_number", "line_kind", "sub_program", "rebate_type")
        row["id"] = "/".join(row[name] for name in of_line if row[name])
        is_negative = row["units_reimbursed"] < 0
        row["key"] = (row["program"], row["state"], row["ndc"], row["period"], row["sub_program"] or row["rebate_type"])
        invoiced[row["key"]] += row["units_reimbursed"]
        if is_negative:
            continue
        per_prescription[peers][row["id"]] = float(row["units_reimbursed"]) / row["prescriptions"]
        per_unit[peers][row["id"]] = float(row["total_amount"] / row["units_reimbursed"])
        row["line"] = (row["program"], row["state"], row["ndc"], row["sub_program"], row["rebate_type"])
        quarters[row["line"]].append((row["period"], float(row["units_reimbursed"])))
        own[row["line"]].append(float(row["units_reimbursed"]) / row["prescriptions"])
    asked, sold = defaultdict(Decimal), defaultdict(Decimal)
    for row in tables.invoices:
        asked[row["state"], row["ndc"], row["period"]] += row["units_reimbursed"] if not row["rebate_type"] else 0
    for row in tables.sales:
        sold[row["state"], row["ndc"], row["period"]] += row["units"]
    far_units, far_paid = far_from_peers(per_prescription), far_from_peers(per_unit)
    found = set()
    for row in tables.invoices:
        fires = set()
        if row["units_reimbursed"] < 0:  # asks for nothing
            row["exceeds_claims"] = False
            found |= {(row["id"], "R053")} if is_added_up_wrongly(row) else set()
            continue
        facts, start, units = product.get(row["ndc"], UNREPORTED), first_day(row["period"]), row["units_reimbursed"]
        fires |= {"R025"} if facts is UNREPORTED else set()
        terminated = facts["termination_date"]
        if terminated and (start - terminated).days > 365 and not facts["reactivation_date"]:
            fires.add("R022")
        fires |= outside_agreement(row["program"], facts, ended, start)
        year = [(row["state"], row["ndc"], quarter(start - timedelta(days=90 * ago))) for ago in range(4)]
        in_state, bought = (sum(units[key] for key in year) for units in (asked, sold))
        is_federal = not row["rebate_type"]
        fires |= {"R058"} if is_federal and row["sub_program"] in ("CHIP_SEPARATE", "STATE_ONLY") else set()
        received = row["received_date"]
        is_credited = any(
            row["line_kind"] == "CURRENT" and settled["settled_on"] < received
            for settled in tables.line_settlements
            if all(settled[name] == row[name] for name in ("program", "state", "ndc", "period"))
        )
        fires |= {"R059"} if is_credited else set()
        fires |= {"R034"} if is_federal and in_state > bought * Decimal("1.2") and in_state - bought > 100 else set()
        ratio = float(units) / row["prescriptions"] / median(own[row["line"]])
        fires |= {"R035"} if row["id"] in far_units or not 0.1 <= ratio <= 10 else set()
        in_quarters = [of_quarter for period, of_quarter in quarters[row["line"]] if period <= row["period"]]
        fires |= {"R037"} if len(in_quarters) >= 4 and float(units) > 3 * median(in_quarters) else set()
        price = market.get((row["ndc"], row["period"]))
        to_market = row["total_amount"] / units / price["price_per_unit"] if price else None
        off_market = to_market is not None and not Decimal("0.02") <= to_market <= 50
        fires |= {"R036"} if off_market or row["id"] in far_paid else set()
        held, total = claimed[row["key"]], invoiced[row["key"]]
        is_short = units > 1 and (total - held) / total > Decimal("0.005")
        fires |= {"R038"} if is_short and row["line_kind"] == "CURRENT" else set()
        row["exceeds_claims"] = total > held
        assert held <= total <= held * Decimal("1.004") or "R038" in fires
        fires |= {"R053"} if is_added_up_wrongly(row) else set()
        found |= {(row["id"], rule) for rule in fires}
    return found


def is_added_up_wrongly(row: dict[str, Any]) -> bool:
    off = abs(cents(row["units_reimbursed"] * row["unit_rebate_amount"]) - row["rebate_amount"]) > Decimal("0.01")
    return off or row["total_amount"] != row["medicaid_amount"] + row["non_medicaid_amount"]


def invoiced_apart(row: dict[str, Any]) -> str | None:
    """By the rebate type, or by the sub-program in the state that has an invoice line for each."""
    if row["rebate_type"] == "SUPPLEMENTAL":
        return "SUPPLEMENTAL"
    return row["sub_program"] if row["payer_id"] in ("KY", "MA") else None


def pairs(rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(row["source_row_id"], row["rule_id"]) for row in rows}


# All that T1 to T4 see through, and payers that ask for 340B stock where nothing is planted.
MESSY = {
    "duplicate_discount_rate": 0.5,
    "mess": {
        "padded_rx_rate": 0.25,
        "suffixed_rx_rate": 0.1,
        "hyphenated_ndc_rate": 0.2,
        "ncpdp_only_rate": 0.1,
        "missing_fill_rate": 0.2,
        "shifted_date_rate": 0.25,
        "other_package_rate": 0.08,
        "parent_id_rate": 0.1,
        "other_prescriber_rate": 0.1,
        "fill_offset_rate": 0.3,
    },
}


@pytest.fixture(scope="module", params=[(3, {}), (20_260_101, {}), (12, MESSY)], ids=["3", "20260101", "messy"])
def tables(request: pytest.FixtureRequest) -> Tables:
    seed, settings = request.param
    return Tables(seed, **settings)


def test_truth_about_claims_is_what_the_rules_find(tables: Any) -> None:
    found, truth = claim_findings(tables), pairs(tables.labels(Label.TRUTH, "RC"))
    assert {rule for _, rule in truth} == RULES_ON_CLAIMS
    assert found - truth == set()
    assert truth - found == set()


@pytest.mark.parametrize("peers_of_one_program", [True, False])
def test_truth_about_invoices_is_what_the_rules_find(tables: Any, peers_of_one_program: bool) -> None:
    found, truth = invoice_findings(tables, peers_of_one_program), pairs(tables.truth_of_lines)
    assert {rule for _, rule in truth} == RULES_ON_INVOICES
    # what is far above a line's own past stands out by chance too
    by_chance = {(row, rule) for row, rule in found - truth if rule == "R037"}
    assert found - truth == by_chance
    assert truth - found == set()
    look_alikes = pairs(tables.look_alike_lines)

    def of_kind(kind: str) -> list[dict[str, Any]]:
        return [row for row in tables.look_alike_lines if row["kind"] == kind]

    assert {rule for _, rule in look_alikes} == {"R034", "R037", "R038"}
    assert look_alikes.isdisjoint(found)
    # the nearest that a line comes to R038 without breaking it
    little_more = {row for row, rule in pairs(of_kind("little_more")) if rule == "R038"}
    assert little_more == {row["id"] for row in tables.invoices if row["exceeds_claims"]} - {
        row for row, rule in truth if rule == "R038"
    }
    # without the differences below zero, R038 would find what they took back too
    back = pairs(of_kind("surplus_taken_back"))
    half_back = pairs([row for row in tables.truth_of_lines if row["kind"] == "surplus_half_taken_back"])
    assert min(len(back), len(half_back)) >= 3
    without = copy.copy(tables)
    without.invoices = [row for row in tables.invoices if row["units_reimbursed"] > 0]
    assert len(tables.invoices) - len(without.invoices) == len(back) + len(half_back)
    assert back | half_back <= invoice_findings(without, peers_of_one_program)


def test_every_planted_rule_comes_up_several_times(tables: Any) -> None:
    of_claims = tables.labels(Label.TRUTH, "RC")
    for rows, rules in ((of_claims, RULES_ON_CLAIMS), (tables.truth_of_lines, RULES_ON_INVOICES)):
        for rule in rules:
            # few lines have quarters enough to stand out, are credited or are of a sub-program of their own
            least = {"R037": 3, "R058": 1, "R059": 3}.get(rule, 5) if rows is tables.truth_of_lines else 5
            assert sum(row["rule_id"] == rule for row in rows) >= least, rule


def test_look_alikes_are_not_found_by_the_rule_they_look_like(tables: Any) -> None:
    look_alikes = pairs(tables.labels(Label.LOOK_ALIKE, "RC"))
    assert {rule for _, rule in look_alikes} == RULES_ON_CLAIMS
    assert look_alikes.isdisjoint(claim_findings(tables))
    assert {row for row, _ in look_alikes} <= {row["source_row_id"] for row in tables.rebate}


def test_some_look_alikes_are_told_apart_by_one_fact_alone(tables: Any) -> None:
    """Without it the rule would find them."""
    without = copy.copy(tables)
    untold = {"amount_third_party": None, "submission_clarification_codes": None, "basis_of_cost": None}
    without.rebate = [{**row, **untold} for row in tables.rebate]
    products = [{**row, "reactivation_date": None} for row in tables.reference["products"]]
    without.reference = {**tables.reference, "products": products}
    kinds = ("paid_mostly_by_others", "at_acquisition_cost", "vacation_supply", "reactivated_within_the_year")
    look_alikes = pairs([row for row in tables.labels(Label.LOOK_ALIKE, "RC") if row["kind"] in kinds])
    assert {rule for _, rule in look_alikes} == {"R023", "R036", "R039"}
    assert look_alikes <= claim_findings(without)


def test_late_reversals_are_neither_true_nor_false(tables: Any) -> None:
    watched = {(row, rule) for row, rule in pairs(tables.label[Label.WATCH]) if rule != "R035"}
    assert watched
    assert watched.isdisjoint(pairs(tables.label[Label.TRUTH]))
    sent = {row["source_row_id"]: row for row in tables.rebate}
    reversed_at = {
        (row["pharmacy_npi"], *rx_and_fill(row)): row["transaction_at"]
        for row in tables.pharmacy
        if row["transaction_code"] == "B2"
    }
    for source_row_id, _ in watched:
        row = sent[source_row_id]
        late = reversed_at[row["pharmacy_npi"], *rx_and_fill(row)] - row["received_at"]
        assert late > timedelta(days=1)


def test_entities_bought_what_they_gave_and_no_more(tables: Any) -> None:
    """The purchase guard passes for every planted claim of 340B stock, and whole packages were bought."""
    entities = tables.reference["covered_entities"]
    parent = {row["entity_id"]: row["parent_entity_id"] for row in entities}
    package = {row["ndc"]: row["units_per_package"] for row in tables.reference["products"]}
    at_340b = [row for row in tables.chargebacks if row["contract_type"] == "340B"]
    assert all(row["packages"] == int(row["packages"]) > 0 for row in at_340b)
    bought, given = defaultdict(Decimal), defaultdict(Decimal)
    for row in at_340b:
        bought[parent[row["entity_id"]], row["ndc"][:9]] += row["packages"] * package[row["ndc"]]
    live = [row for found in live_entity_rows(tables).values() for row in found]
    for row in live:
        given[parent[row["entity_id"]], row["ndc11"][:9]] += row["quantity"]
    own = {row["npi"]: row["entity_id"] for row in tables.reference["entity_npis"]}
    clinic_claims = 0
    truth = dict(pairs(tables.label[Label.TRUTH]))
    for row in live_rebate_rows(tables):
        if truth.get(row["source_row_id"]) == "R002":
            clinic_claims += 1
            assert bought[parent[own[row["pharmacy"]]], row["ndc11"][:9]] >= row["ndc_units"]
    assert clinic_claims
    # what is planned around claims of one dispense twice was bought once
    planned = {key[:-1] for label in Label for key, rule in pairs(tables.labels(label, "EC")) if rule in TWICE}
    sent = [row for row in tables.entity if row["source_row_id"][:-1] in planned]
    twice = {(parent[row["entity_id"]], ndc11(row["ndc"])[:9]) for row in sent}
    times = {key: bought[key] / units for key, units in given.items() if key not in twice}
    assert set(times.values()) == {1, BOUGHT_TIMES}
    assert sum(value > 1 for value in times.values()) < len(times) / 10
    days = {row["invoice_date"] for row in at_340b}
    assert date(2025, 1, 1) <= min(days)
    assert max(days) < date(2026, 7, 1)


def test_planted_340b_claims_are_reported_in_every_way_that_still_links(tables: Any) -> None:
    """Same record, fill left out, another day, another package of the drug, each and together."""
    planted = {
        key for key, rule in pairs(tables.label[Label.TRUTH]) if rule in ("R003", "R005", "R008", "R009", "R011")
    }
    entity = live_entity_rows(tables)
    ways = set()
    for row in live_rebate_rows(tables):
        if row["source_row_id"] in planted:
            of_script = entity[row["pharmacy"], row["rx"]]
            (other,) = (other for other in of_script if other["source_row_id"][2:-1] == row["source_row_id"][2:-1])
            ways.add(
                (
                    row["fill"] == other["fill"],
                    row["date_of_service"] == other["date_of_service"],
                    row["ndc11"] == other["ndc11"],
                )
            )
    assert ways >= {(True, True, True), (False, True, True), (True, False, True), (True, True, False)}
