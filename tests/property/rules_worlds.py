"""Small random worlds in which several rules hit one claim, as tables of text; all worlds make one input.

Each world has a labeler, pharmacies, entities and payers of its own; states and their policies are everybody's. Few
values for each field, many of them at a limit, so that rows of a world have most things in common.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.property import rules_world_tables

AS_OF = "2026-02-15"
# As tables of everybody: how states find 340B claims, and by what a claim is marked.
SHARED = {
    "state_340b_policies": [
        {"state": "KY", "method": "CLAIM_FLAG", "contract_pharmacy_carved_out": "false", "begin_date": "2015-01-01"},
        {"state": "GA", "method": "MEF", "contract_pharmacy_carved_out": "false", "begin_date": "2015-01-01"},
        {
            "state": "OH",
            "method": "MEF|RETRO_FILE",
            "contract_pharmacy_carved_out": "true",
            "snapshot_date": "2025-10-01",
        },
    ],
    "identifiers_340b": [
        {"field": "SCC", "value": "20", "begin_date": "2012-01-01", "confidence": "high"},
        {"field": "BOC", "value": "08", "confidence": "high", "snapshot_date": "2025-08-02"},
        {"state": "AL", "field": "MODIFIER", "value": "UD", "confidence": "high", "snapshot_date": "2025-09-30"},
        {"state": "AL", "field": "MODIFIER", "value": "JG", "begin_date": "2015-01-01", "confidence": "low"},
        {"state": "GA", "claim_type": "MEDICAL", "field": "MODIFIER", "value": "UD", "confidence": "low"},
        {
            "state": "KY",
            "program": "MDRP_FFS",
            "field": "MODIFIER",
            "value": "U8",
            "begin_date": "2025-08-02",
            "confidence": "high",
        },
        {
            "state": "OH",
            "field": "MODIFIER",
            "value": "JG",
            "begin_date": "2015-01-01",
            "end_date": "2025-08-02",
            "confidence": "low",
        },
    ],
}
# Settings of tables: absence from this one means something.
DECLARED = {"products": {"path": "products.csv", "complete": True}}
SHARED["contract_pharmacy_laws"] = [
    {"state": "GA", "begin_date": "2020-01-01"},
    {"state": "KY", "begin_date": "2025-08-02"},
]
STATES = ("KY", "GA", "OH", "AL")
DAYS = ("2025-08-01", "2025-08-02", "2025-08-04", "2025-09-30", "2025-10-01", "2026-01-15")
PRICES = {"wac_unit": "10"}


class World:
    """One small world. `tables`: rows by table, values as text."""

    def __init__(self, number: int, seed: int) -> None:
        self.number = number
        self.random = random.Random(f"{seed}/{number}")
        self.tables: dict[str, list[dict[str, str]]] = defaultdict(list)
        labeler = f"{20_000 + number}"
        self.labeler = labeler
        self.ndcs = [f"{labeler}100001", f"{labeler}100002", f"{labeler}200001"]
        self.npis = [npi(2 * number), npi(2 * number + 1)]
        self.entities = [f"DSH{100_000 + number}", f"DSH{100_000 + number}A", f"RRC{100_000 + number}"]
        self.payers = [f"PBM{number}A", f"PBM{number}B"]
        self.old_npi = npi(500_000 + number)
        self.prescriber = npi(900_000 + number)
        self.day = self.pick(*DAYS)
        self.focus = self.pick("ALL", "ALL", "STATE", "STATE", "PBM", "PBM", "MFP", "MFP", "REVERSED")
        if self.focus == "MFP":
            self.day = "2026-01-15"
        if self.focus == "REVERSED":
            self.day = self.pick("2025-08-01", "2025-08-02")
        self.state = self.pick(*STATES)
        rules_world_tables.products(self)
        rules_world_tables.entities(self)
        _dispenses(self)
        _settled(self)
        rules_world_tables.snapshots(self, random.Random(f"{seed}/{number}/snapshots"))

    def pick(self, *values: Any) -> Any:
        return self.random.choice(values)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def add(self, table: str, **values: object) -> None:
        self.tables[table].append({name: str(value) for name, value in values.items() if value is not None})


def npi(number: int, is_valid: bool = True) -> str:
    """An NPI, another for each number, with the right check digit (Luhn with prefix 80840) or a wrong one."""
    base = f"1{number:08}"
    digits = [int(digit) for digit in "80840" + base]
    doubled = [2 * digit - 9 * (digit > 4) if place % 2 == 0 else digit for place, digit in enumerate(digits[::-1])]
    return base + str((-sum(doubled) + (not is_valid)) % 10)


def _dispenses(world: World) -> None:
    """Two dispenses; each is invoiced, reported, transmitted a few times, mostly alike."""
    pick = world.pick
    for place in range(pick(1, 2, 2)):
        is_medical = world.chance(0.25)
        dispense = {
            "claim_type": "MEDICAL" if is_medical else "RX",
            "pharmacy_npi": pick(*world.npis),
            "rx_number": None if is_medical else f"{7_000_000 + 10 * world.number + place}",
            "fill_number": None if is_medical else pick(0, 0, 0, 1, None),
            "date_of_service": world.day if place == 0 else pick(*DAYS),
            "ndc": pick(world.ndcs[0], world.ndcs[0], *world.ndcs),
            "hcpcs_code": pick("J1000", "J1000", "J2000", "J3490") if is_medical else None,
            "claim_id": f"C{world.number}-{place}",
            "units": pick("30", "30", "30", "30.5", "30.5", "60", "10", "40", "7"),
            "patient_key": pick(f"P{world.number}", None),
        }
        for number in range(pick(1, 2, 2, 3, 3, 4)):
            _claim(world, dispense, f"{world.number}/r{place}{number}")
        for number in range(pick(0, 1, 1, 1, 2, 2)):
            _claim_340b(world, dispense, f"{world.number}/e{place}{number}")
        for number in range(pick(0, 1, 2) if is_medical else 0):
            world.add(
                "part_b_lines",
                source_row_id=f"{world.number}/b{place}{number}",
                provider_npi=dispense["pharmacy_npi"],
                date_of_service=dispense["date_of_service"],
                hcpcs_code=dispense["hcpcs_code"],
                ndc=pick(None, dispense["ndc"], world.ndcs[1]),
                modifiers=pick(None, "25", "25|TB", "JG"),
            )
        if not is_medical:
            for number in range(pick(2, 3) if world.focus == "REVERSED" else pick(0, 0, 1, 2, 3)):
                _transaction(world, dispense, f"{world.number}/t{place}{number}", number)


def quarter(day: str) -> str:
    return f"{day[:4]}Q{(int(day[5:7]) + 2) // 3}"


def _claim(world: World, dispense: dict[str, Any], row_id: str) -> None:
    pick, day = world.pick, dispense["date_of_service"]
    of_focus = {
        "ALL": ("MDRP_FFS", "MDRP_FFS", "MDRP_FFS", "MDRP_MCO", "MDRP_MCO", "COMMERCIAL", "PARTD", "MFP"),
        "STATE": ("MDRP_FFS", "MDRP_FFS", "MDRP_FFS", "MDRP_MCO"),
        "PBM": ("COMMERCIAL", "COMMERCIAL", "PARTD", "PARTD", "PARTD", "MDRP_FFS"),
        "MFP": ("MFP", "MFP", "MFP", "MFP", "MDRP_FFS"),
        "REVERSED": ("MDRP_FFS", "MDRP_MCO", "COMMERCIAL"),
    }
    program = pick(*of_focus[world.focus])
    is_medicaid = program.startswith("MDRP")
    state = pick(*STATES, "GA") if world.focus == "ALL" else pick(world.state, world.state, world.state, "GA")
    payer = "MTF" if program == "MFP" else state if is_medicaid else pick(world.payers[0], *world.payers)
    units = pick(
        dispense["units"], dispense["units"], dispense["units"], dispense["units"], "30", f"-{dispense['units']}"
    )
    price = pick("2.5", "2.5", "2.5", "2.75", "0", None)
    product = None if price is None else round(float(units) * float(price), 2)
    is_medical = dispense["claim_type"] == "MEDICAL"
    paid = pick(day, "2025-08-05", "2025-10-05", "2026-08-03", None)
    paid = None if paid is None else max(paid, day)
    given = quarter(paid or day) if program == "MDRP_FFS" else quarter(day)
    npi_given = dispense["pharmacy_npi"]
    values = {
        "source_row_id": row_id,
        "program": program,
        "sub_program": pick(None, None, None, "XIX", "CHIP_SEPARATE", "STATE_ONLY", "EXPANSION")
        if is_medicaid
        else None,
        "rebate_type": pick(None, None, None, "FEDERAL", "SUPPLEMENTAL") if is_medicaid else pick(None, "BASE"),
        "payer_id": payer,
        "state": payer if is_medicaid else pick(None, "KY"),
        "contract_id": None if is_medicaid or program == "MFP" else pick(None, f"{payer}-0", f"{payer}-1"),
        "claim_id": pick(dispense["claim_id"], f"{dispense['claim_id']}-{row_id[-1]}"),
        "claim_line": pick(None, 1, 1, 2),
        "transaction": pick(*["ORIGINAL"] * 8, "ADJUSTMENT", "VOID"),
        "claim_type": dispense["claim_type"],
        "pharmacy_npi": pick(*[npi_given] * 15, world.old_npi, npi_given[:9] + str((int(npi_given[9]) + 1) % 10)),
        "medicaid_provider_id": pick(None, None, f"M{world.number}"),
        "rx_number": dispense["rx_number"] and pick(dispense["rx_number"], f"000{dispense['rx_number']}"),
        "fill_number": dispense["fill_number"],
        "date_of_service": day,
        "paid_date": paid,
        "ndc": pick(*[dispense["ndc"]] * 6, f"{world.ndcs[1][:5]}-{world.ndcs[1][5:9]}-{world.ndcs[1][9:]}"),
        "units": units,
        "units_basis": pick(None, None, "NDC", "HCPCS") if is_medical else None,
        "unit_of_measure": pick(None, None, "EA", "ML"),
        "days_supply": None if is_medical else 30,
        "hcpcs_code": dispense["hcpcs_code"],
        "hcpcs_units": pick(units, units, "10", None) if is_medical else None,
        "modifiers": pick(None, None, "25", "JW", "UD", "U8|25", "JG", "UD|JG") if is_medical else None,
        "submission_clarification_codes": pick(None, None, None, None, "08", "8|20", "20", "05"),
        "basis_of_cost": pick(None, None, None, None, None, "01", "8"),
        "compound_code": pick("1", "1", "1", None, "2"),
        "dispensing_status": None if is_medical else pick(*[None] * 6, "P", "C"),
        "prescriber_npi": pick(world.prescriber, world.prescriber, None, None, "1234567890", "BB1388568"),
        "amount_paid": pick("300.00", "300.00", "300.00", "0", None),
        "amount_third_party": pick("0", "0", "0", "0", "40.00", None),
        "unit_rebate_amount": price,
        "rebate_amount": pick(product, product, product, None if product is None else product + 0.02, "70.00", None),
        "period": pick(given, given, given, given, "2025Q3", "2025Q4"),
        "invoice_period": pick(None, None, "2025Q4"),
        "mtf_transaction_code": None,
        "patient_key": dispense["patient_key"],
        "received_at": pick(
            None,
            "2025-09-01T12:00:00",
            "2025-10-20T12:00:00",
            "2025-11-01T12:00:00",
            "2025-11-02T12:00:00",
            "2026-02-01T03:00:00",
        ),
    }
    if program == "MFP":
        refund = pick("180.00", "180.00", "200.00", "45.00", None)
        icn = row_id.rpartition("r")[2]
        values |= {
            "rebate_amount": refund,
            "unit_rebate_amount": pick(None, "6"),
            "mtf_transaction_code": pick(*["001"] * 6, "002", "002", "003", "004", "005", "009", "013", None),
            "mtf_icn": pick(*[f"{world.number}-{icn}"] * 6, None),
            "mtf_xref_icn": pick(None, None, None, f"{world.number}-{icn[0]}0"),
            "received_at": pick(None, "2026-01-31T12:00:00", "2026-02-01T03:00:00", "2026-02-10T12:00:00"),
        }
        if world.chance(0.7):
            values |= {"date_of_service": "2026-01-15", "period": "2026Q1", "transaction": "ORIGINAL"}
            dispense["date_of_service"] = "2026-01-15"
    if world.focus == "REVERSED" and world.chance(0.6):
        values |= {"received_at": "2025-09-01T12:00:00", "transaction": "ORIGINAL"}
    if npi_given == world.npis[0] and world.chance(0.08):
        values |= {"pharmacy_npi": None, "pharmacy_ncpdp_id": f"{1_000_000 + world.number}"}
    if not is_medical and world.chance(0.05):
        values |= {"rx_number": None, "rx_number_hash": f"h{dispense['rx_number']}", "hash_scheme": "s1"}
    if values["transaction"] != "ORIGINAL" and world.chance(0.4):
        values["prior_claim_id"] = dispense["claim_id"]
    world.add("rebate_claims", **values)


def _claim_340b(world: World, dispense: dict[str, Any], row_id: str) -> None:
    pick, day = world.pick, dispense["date_of_service"]
    is_medical = dispense["claim_type"] == "MEDICAL"
    world.add(
        "entity_claims",
        source_row_id=row_id,
        entity_id=pick(world.entities[0], world.entities[0], *world.entities, world.entities[2]),
        claim_type=dispense["claim_type"],
        pharmacy_npi=pick(*[dispense["pharmacy_npi"]] * 9, world.old_npi),
        rx_number=dispense["rx_number"],
        claim_id=dispense["claim_id"] if is_medical else None,
        fill_number=None if is_medical else pick(dispense["fill_number"], dispense["fill_number"], 0, None),
        prescriber_npi=pick(world.prescriber, world.prescriber, None, "1234567890"),
        # some long before, so that the claims of a system reach back as far as its purchases
        date_of_service=pick(*[day] * 8, "2025-08-03", "2025-08-05", *["2024-11-05"] * 4),
        ndc=pick(*[dispense["ndc"]] * 5, world.ndcs[1]),
        quantity=pick(*[dispense["units"]] * 5, "31", "29.8", "1"),
        hcpcs_code=dispense["hcpcs_code"],
        hcpcs_units=None,
        status=pick(*[None] * 6, "SUBMITTED", "REVERSED"),
        is_340b=pick("true", "true", "true", "true", "false", None),
        submitted_at=pick(
            None, "2025-08-10T12:00:00", "2025-08-11T12:00:00", "2025-11-20T12:00:00", "2026-02-01T12:00:00"
        ),
    )


def _transaction(world: World, dispense: dict[str, Any], row_id: str, number: int) -> None:
    pick = world.pick
    world.add(
        "pharmacy_claims",
        source_row_id=row_id,
        transaction_code=pick("B1", "B2", "B2", "B2", "B3") if number else "B1",
        pharmacy_npi=dispense["pharmacy_npi"],
        rx_number=dispense["rx_number"],
        fill_number=dispense["fill_number"],
        date_of_service=dispense["date_of_service"],
        transaction_at="2025-09-20T10:00:00"
        if world.focus == "REVERSED" and number
        else pick(
            "2025-08-06T10:00:00",
            "2025-08-07T10:00:00",
            "2025-09-20T10:00:00",
            "2025-11-01T12:00:00",
            "2025-12-20T10:00:00",
        ),
        ndc=dispense["ndc"],
        quantity=dispense["units"],
        received_at="2025-12-24T12:00:00",
    )


def _settled(world: World) -> None:
    """Settlements of claims, and invoice lines."""
    pick = world.pick
    medicaid = [row for row in world.tables["rebate_claims"] if row["program"] != "MFP"]
    ids = [row["claim_id"] for row in world.tables["rebate_claims"]]
    for row in medicaid:
        # which of several rows of a line a settlement means is tested in test_settlements_property.py
        if ids.count(row["claim_id"]) == 1 and not row["units"].startswith("-") and world.chance(0.4):
            world.add(
                "settlements",
                program=row["program"],
                payer_id=None if row["program"].startswith("MDRP") else row["payer_id"],
                state=row["state"] if row["program"].startswith("MDRP") else None,
                ndc=row["ndc"],
                period=row["period"],
                settled_on=pick("2025-10-15", "2025-10-20", "2025-11-10", "2026-02-10"),
                kind=pick("STATE_CREDIT", "STATE_CREDIT", "ENTITY_REPAID", "PAID", "DISPUTED"),
                units=pick(10, 30, 60),
                claim_id=row["claim_id"],
                claim_line=pick(row.get("claim_line", "1"), row.get("claim_line", "1"), None),
                rebate_type=row.get("rebate_type"),
                settlement_id=f"{world.number}/s{len(world.tables['settlements'])}",
            )
    for row in medicaid:
        if row["program"].startswith("MDRP") and world.chance(0.35):
            _invoice(world, row)


def _invoice(world: World, row: dict[str, Any]) -> None:
    pick = world.pick
    units, price = pick("30", "60", "100", "500", "-30"), pick("2.5", "2.5", "2.75", "0", None)
    product = None if price is None else round(float(units) * float(price), 2)
    key = (row["program"], row["state"], row["ndc"].replace("-", ""), row["period"])
    if any((one["program"], one["state"], one["ndc"], one["period"]) == key for one in world.tables["invoices"]):
        return
    line = {
        "program": row["program"],
        "state": row["state"],
        "ndc": key[2],
        "period": row["period"],
        "invoice_number": pick(None, f"I{world.number}"),
        "sub_program": pick(None, None, "XIX", "CHIP_SEPARATE"),
        "rebate_type": pick(None, None, "FEDERAL", "SUPPLEMENTAL"),
        "line_kind": pick(None, None, None, "CURRENT", "PRIOR_REPLACEMENT", "PRIOR_DELTA"),
        "source_kind": pick(None, None, None, "INVOICE", "SDUD"),
        "unit_rebate_amount": price,
        "units_reimbursed": pick(*[units] * 6, None),
        "rebate_amount": pick(product, product, product, None if product is None else product + 0.02, None),
        "total_amount": pick("100.00", None),
        "medicaid_amount": pick("90.00", "90.00", None),
        "non_medicaid_amount": pick("10.00", "10.00", "10.01", "10.02"),
        "suppressed": pick(None, None, "false", "true"),
        "postmark_date": pick("2025-11-20", None),
        "received_date": pick("2025-11-24", "2025-11-24", None),
    }
    world.add("invoices", **line)
    if line["line_kind"] in (None, "CURRENT") and world.chance(0.3):
        correction = {
            "line_kind": "PRIOR_DELTA",
            "units_reimbursed": pick("-20", "-70", "20"),
            "rebate_type": pick(line["rebate_type"], line["rebate_type"], "SUPPLEMENTAL"),
            "sub_program": pick(line["sub_program"], line["sub_program"], "XIX", "EXPANSION"),
            "source_kind": pick(None, None, "SDUD"),
            "rebate_amount": None,
            "unit_rebate_amount": None,
        }
        world.add("invoices", **(line | correction))


def write(folder: Path, worlds: list[World]) -> None:
    """All worlds as one input of CSV files."""
    tables: dict[str, list[dict[str, str]]] = defaultdict(list)
    for world in worlds:
        for name, rows in world.tables.items():
            tables[name] += rows
    for name, rows in (tables | SHARED).items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
