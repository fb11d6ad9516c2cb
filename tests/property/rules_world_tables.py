"""Reference tables of a random world: products and prices, entities and their pharmacies, contracts and policies."""

from __future__ import annotations

from random import Random
from typing import Any


def products(world: Any) -> None:
    pick = world.pick
    for place, ndc in enumerate(world.ndcs):
        product = {
            "ndc": ndc,
            "product_name": "Example",
            "unit_type": pick("TAB", "TAB", "CAP", "CAP", "ML", "GM", "EA", None),
            "units_per_package": pick("30", "30", "30", "20", "1", None),
            "drug_category": "S",
            "cod_status": pick("03", "03", "03", "03", "03", "03", "5", "06", None),
            "market_date": pick(None, "2015-01-01", "2015-01-01", "2015-01-01", "2025-08-01", "2025-08-02"),
            "termination_date": pick(*[None] * 9, "9999-12-31", "2024-07-31", "2024-08-01", "2025-07-31", "2025-08-01"),
            "reactivation_date": pick(None, None, None, "2024-01-01", "2025-08-01", "2025-08-02"),
            "orphan": pick(None, "false", "true"),
        }
        if place == 0 and world.chance(0.05):
            continue
        if world.chance(0.1):
            world.add("products", **product, valid_to="2025-08-02")
            product["cod_status"] = pick("03", "05")
            world.add("products", **product, valid_from="2025-08-02")
        else:
            world.add("products", **product)
        for period in ("2025Q2", "2025Q3", "2025Q4", "2026Q1"):
            world.add(
                "prices",
                ndc=ndc,
                period=period,
                unit_rebate_amount=pick("2.5", "2.5", "2.5", "2.500002", None),
                ceiling_unit=pick("1.5", "1.5", "4", "5.5", None),
                mfp_unit=pick("4", "4", "4", None) if period == "2026Q1" else None,
                wac_unit=pick("10", "10", "10", None),
            )
        if world.chance(0.7):
            world.add(
                "hcpcs_crosswalk",
                ndc=ndc,
                hcpcs_code=pick("J1000", "J1000", "J2000"),
                ndc_units_per_hcpcs_unit=pick("0.1", "1", "2", "3"),
                begin_date=pick(None, "2020-01-01", "2025-08-02"),
                end_date=pick(None, None, "2025-08-01"),
            )
    if world.chance(0.9):
        world.add(
            "labelers",
            labeler_code=world.labeler,
            owner="we",
            begin_date=pick(None, "2020-01-01", "2020-01-01", "2025-08-02"),
            end_date=pick(None, None, None, "2025-08-02"),
        )
    if world.chance(0.5):
        for ndc in world.ndcs[:2]:
            world.add("orphan_drugs", ndc=ndc, quarter=pick("2025Q3", "2025Q3", "2025Q4", "2026Q1"))


def entities(world: Any) -> None:
    pick = world.pick
    parent, site, other = world.entities
    world.add("pharmacies", npi=world.npis[0], ncpdp_id=f"{1_000_000 + world.number}")
    world.add("pharmacies", npi=world.old_npi, successor_npi=world.npis[0])
    for entity, kind in ((parent, "DSH"), (site, "DSH"), (other, pick("RRC", "CAH", "CH"))):
        if world.chance(0.6):
            registered = {
                "entity_id": entity,
                "parent_entity_id": pick(parent, None) if entity == site else None,
                "entity_type": pick(kind, kind, None),
                "street": pick("1 Main St", f"{world.number} Elm St"),
                "zip": f"{40_000 + world.number}",
                "state": pick("KY", "GA", None),
                "participating_start": pick(None, "2010-01-01", "2010-01-01", "2010-01-01", "2025-08-02"),
                "termination_date": pick(None, None, None, "2025-08-01", "2025-08-02"),
            }
            if entity == site and world.chance(0.3):
                world.add("covered_entities", **registered, valid_to="2025-08-02")
                world.add("covered_entities", **(registered | {"parent_entity_id": other}), valid_from="2025-08-02")
            else:
                world.add("covered_entities", **registered)
        if world.chance(0.6):
            world.add("entity_npis", entity_id=entity, npi=pick(*world.npis))
        if world.chance(0.5):
            world.add(
                "contract_pharmacies",
                entity_id=entity,
                contract_id=f"K{world.number}{kind}{entity[-1]}",
                pharmacy_npi=pick(*world.npis, *world.npis, world.old_npi),
                begin_date=pick("2020-01-01", "2025-08-02"),
                termination_date=pick(None, None, "2025-08-01", "2025-08-02"),
            )
        for _ in range(pick(0, 1, 1, 2)):
            world.add(
                "chargebacks",
                chargeback_id=f"{world.number}/{len(world.tables['chargebacks'])}",
                entity_id=entity,
                ndc=pick(*world.ndcs),
                invoice_date=pick("2025-07-15", "2025-08-20", "2025-10-10", "2026-01-20", "2024-08-01", "2024-12-31"),
                packages=pick(99, 99, 1, 2, -1),
                contract_type=pick("340B", "340B", "340B", "OTHER"),
            )
        if world.chance(0.4):
            number = world.chance(0.2)
            world.add(
                "medicaid_exclusions",
                entity_id=entity,
                npi=None if number else pick(*world.npis),
                medicaid_number=f"M{world.number}" if number else None,
                medicaid_state=pick("GA", "GA", "OH", "AL", "KY"),
                quarter=pick("2025Q3", "2025Q3", "2025Q4", "2026Q1"),
            )
    if world.chance(0.4):
        for ndc9 in pick((None,), (world.ndcs[0][:9],), (None, world.ndcs[0][:9])):
            world.add(
                "manufacturer_policies",
                labeler_code=world.labeler,
                ndc9=ndc9,
                contract_pharmacies=pick("NONE", "DESIGNATED"),
                exempt_entity_types=pick(None, "CH|HV", "CH|DSH"),
                begin_date=pick(None, "2020-01-01", "2025-08-02"),
                end_date=pick(None, None, "2025-08-02"),
            )
        if world.chance(0.4):
            world.add(
                "designated_pharmacies",
                entity_id=pick(*world.entities),
                pharmacy_npi=pick(*world.npis),
                labeler_code=pick(None, world.labeler),
                begin_date=pick(None, "2025-08-02"),
            )
    if world.chance(0.3):
        world.add(
            "submission_windows",
            labeler_code=world.labeler,
            ndc9=pick(None, world.ndcs[0][:9]),
            claim_type=pick(None, "RX", "MEDICAL"),
            state=pick(None, "KY"),
            begin_date=pick(None, "2025-08-02"),
            days=pick(9, 10, 60, None),
        )
    for payer in world.payers:
        for number in range(pick(0, 1, 1, 2)):
            world.add(
                "rebate_contracts",
                payer_id=payer,
                contract_id=f"{payer}-{number}",
                program=pick(None, None, "COMMERCIAL", "PARTD"),
                rebate_type=pick(None, None, None, "BASE", "PRICE_PROTECTION"),
                ndc9=pick(None, None, None, world.ndcs[0][:9], world.ndcs[2][:9]),
                excludes_340b=pick("true", "true", "true", "false"),
                exclusion_scope=pick(None, None, None, "ALL", "ENTITY_OWNED", "FLAGGED_ONLY", "LISTED_PHARMACIES"),
                begin_date=pick("2020-01-01", "2020-01-01", "2025-08-02"),
                end_date=pick(None, None, "2025-08-02"),
                dispute_days=pick(None, 90),
            )
            if world.chance(0.5):
                world.add("contract_pharmacy_lists", contract_id=f"{payer}-{number}", pharmacy_npi=pick(*world.npis))


SNAPSHOT_OF = (
    *("products", "hcpcs_crosswalk", "covered_entities", "entity_npis", "rebate_contracts", "contract_pharmacy_lists"),
    *("manufacturer_policies", "submission_windows"),
)
# Tables of which hardly a row would be without dates, the columns that date them, and how often they are left out.
DATES = {
    "products": ("market_date", "termination_date", "reactivation_date"),
    "hcpcs_crosswalk": ("begin_date", "end_date"),
    "rebate_contracts": ("begin_date", "end_date"),
    "covered_entities": ("participating_start", "termination_date"),
}
UNDATED = {"products": 0.3, "hcpcs_crosswalk": 0.6, "rebate_contracts": 0.4, "covered_entities": 0.3}
# Where an older snapshot of a row may be in the table too, and what it says otherwise.
OLDER = {
    "products": {"cod_status": "05", "units_per_package": "7"},
    "covered_entities": {"entity_type": "CAH", "state": "GA"},
    "entity_npis": {},
}


def snapshots(world: Any, random: Random) -> None:
    """Gives rows the days on which they were taken, many of them after service, and some an older snapshot."""
    for name in SNAPSHOT_OF:
        for row in list(world.tables.get(name, ())):
            day = random.choice((None, None, "2025-07-01", "2025-08-02", "2025-08-02", "2025-10-01", "2026-02-01"))
            if day is None:
                continue
            row["snapshot_date"] = day
            if random.random() < UNDATED.get(name, 0):
                for column in DATES.get(name, ()):
                    row.pop(column, None)
            if name in OLDER and random.random() < 0.2:
                older = row | OLDER[name] | {"snapshot_date": "2025-06-01"}
                if random.random() < 0.5:
                    del older["snapshot_date"]
                world.tables[name].append(older)
