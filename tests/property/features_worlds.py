"""Random small worlds of claims, entities and references. A world's number is part of every key, so that one Spark job
works out many worlds that do not meet.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from tests.unit import facts_rows

AS_OF = date(2025, 6, 30)
DAYS = [
    *(date(2024, 1, 10), date(2024, 3, 31), date(2024, 4, 1), date(2024, 6, 15), date(2024, 9, 30), date(2024, 10, 1)),
    *(date(2024, 12, 20), date(2025, 1, 1), date(2025, 1, 31), date(2025, 2, 10), date(2025, 2, 10), date(2025, 2, 11)),
    *(date(2025, 2, 17), date(2025, 3, 31), date(2025, 3, 31)),
]
CROWDED_EACH = 4  # every fourth world
LATER = [date(2025, 4, 1), date(2025, 5, 3), date(2025, 6, 29)]


PROGRAMS = ("MDRP_FFS", "MDRP_FFS", "MDRP_MCO", "MFP", "MFP", "COMMERCIAL")

# First days of an entity's rows: undated, two snapshots, or no row.
DATES_OF_SNAPSHOTS: list[list[date | None]] = [[None], [date(2024, 1, 1), date(2025, 2, 10)], []]


def world(number: int) -> dict[str, list[dict[str, Any]]]:
    """Tables of one world."""
    return _world(number, Random(number), DAYS)


def world_with_later_rows(number: int, like: int) -> dict[str, list[dict[str, Any]]]:
    """The world `like` under another number, with rows of service after the last quarter of `DAYS` besides."""
    assert number % CROWDED_EACH == like % CROWDED_EACH
    tables = _world(number, Random(like), DAYS)
    for name, rows in _world(number, Random(-1 - like), LATER).items():
        if name in ("claims", "entity_claims", "links", "chargebacks", "dispenses"):
            tables[name] += [_renamed(row) for row in rows]
    tables["outcomes"] += [
        {"source_row_id": row["source_row_id"], "answered_on": AS_OF + timedelta(days=days), "answer": "ACCEPTED"}
        for row in tables["claims"]
        for days in (0, 5)
    ]
    return tables


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    names = ("source_row_id", "chargeback_id", "mtf_icn", "mtf_xref_icn")
    return {**row, **{name: f"later-{row[name]}" for name in names if row.get(name)}}


def _world(number: int, random: Random, days: list[date]) -> dict[str, list[dict[str, Any]]]:
    def named(*names: str | None) -> str | None:
        name = random.choice(names)
        return None if name is None else f"{number}-{name}"

    def day() -> date:
        return random.choice(days)

    def maybe_day() -> date | None:
        return random.choice([None, None, date(2024, 4, 1), date(2025, 2, 10), date(2025, 2, 11), date(2026, 1, 1)])

    def ndc() -> str:
        return f"{number:05}" + random.choice(["000101", "000101", "000102", "000201"])

    is_crowded = number % CROWDED_EACH == 0  # all claims near one dispense
    claims = []
    for n in range(random.randint(3, 14)):
        served = random.choice(days[-2:]) if is_crowded else day()
        claim_type = random.choice(["RX", "RX", "RX", "MEDICAL"]) if not is_crowded else "RX"
        pharmacy = random.choice([f"{number}-P1", f"{number}-P1", f"{number}-P2", f"NCPDP:{number}", None])
        if is_crowded:
            pharmacy = f"{number}-P1"
        # refunds that name one another are rare unless many are of one dispense
        program = random.choice(["MFP", "MFP", "MDRP_FFS"] if is_crowded else PROGRAMS)
        units = Decimal(random.choice([30, 30, 90, 0, -30]))
        claims.append(
            facts_rows.claim(
                f"{number}-row-{n:02}",
                program=program,
                payer_id=(payer := named("GA", "GA", "AL")),
                plan_id=named("plan", None, None),
                state=random.choice([payer, None]),
                claim_type=claim_type,
                claim_id=named("77", "78"),
                claim_line=random.choice([1, 1, 2]),
                hcpcs_code=random.choice(["J1", "J2", None]) if claim_type == "MEDICAL" else None,
                pharmacy_key=pharmacy,
                pharmacy_npi=pharmacy,
                script_key=f"{number}-rx1" if is_crowded else named("rx1", "rx2", None),
                fill_number=random.choice([0, 0, 1, None]),
                date_of_service=served,
                period=random.choice(["2024Q1", "2025Q1", "2025Q1", "2025Q2"]),
                ndc11=f"{number:05}000101" if is_crowded else ndc(),
                units=units,
                ndc_units=random.choice([units, units, None]),
                dispensing_status=random.choice([None, None, "P", "C"]),
                rebate_type=random.choice([None, None, "SUPPLEMENTAL"]),
                contract_id=random.choice([None, None, "C1"]),
                patient_key=named("a", "a", "b", None),
                prescriber_npi=named("D1", "D1", "D2", None),
                bin=named("B", "B", None),
                pcn=random.choice([None, "X"]),
                group_id=random.choice([None, "G"]),
                mtf_icn=named("i1", "i2", "i3", None),
                mtf_xref_icn=named(None, None, None, "i1", "i2"),
                mtf_transaction_code=random.choice(["001", "002", "002", None, "003", "005"]),
            )
        )
    links = [
        {
            "source_row_id": claim["source_row_id"],
            "link_tier": random.choice(["T1", "T3"]),
            "link_entity_id": (entity := named("E1", "E2", "E3")),
            "link_parent_entity_id": entity,
        }
        for claim in claims
        if random.random() < 0.4
    ]
    screen = [
        {
            "source_row_id": claim["source_row_id"],
            "mef_entity_id": named("E3", None),
            "state_340b_method": random.choice([None, "MEF", "MEF|CLAIM_FLAG", "CLAIM_FLAG"]),
            "price_ceiling": random.choice([Decimal(2), None]),
            "price_mfp": random.choice([Decimal(3), Decimal(3), None]),
            "contract_excludes_340b": random.choice([True, False, None]),
            "ndc_units": claim["ndc_units"],
        }
        for claim in claims
        if random.random() < 0.7
    ]
    entity_claims = [
        {
            "source_row_id": f"{number}-entity-{n}",
            "entity_id": (entity := named("E1", "E2", "E3")),
            "parent_entity_id": f"{number}-E1" if entity == f"{number}-E2" else entity,
            "ndc11": (product := ndc()),
            "ndc9": product[:9],
            "prescriber_npi": named("D1", "D2", None),
            "date_of_service": day(),
            "quantity": Decimal(random.choice([30, 60, 7])),
        }
        for n in range(random.randint(0, 12))
    ]
    covered_entities = [
        {
            "entity_id": f"{number}-{name}",
            "parent_entity_id": f"{number}-E1" if name == "E2" else None,
            "participating_start": maybe_day(),
            "termination_date": maybe_day(),
            "valid_from": valid_from,
            "valid_to": maybe_day(),
        }
        for name in ("E1", "E2", "E3")
        for valid_from in random.choice(DATES_OF_SNAPSHOTS)
    ]
    contract_pharmacies = [
        {
            "entity_id": named("E1", "E2", "E3"),
            "pharmacy_npi": named("P1", "P1", "P2", None) if random.random() < 0.9 else None,
            "begin_date": maybe_day(),
            "termination_date": maybe_day(),
            "valid_to": random.choice([None, None, date(2025, 2, 11)]),
            "pharmacy_match_confidence": random.choice([1.0, 0.9, None]),
        }
        for _ in range(random.randint(0, 6))
    ]
    products = [
        {"ndc11": f"{number:05}{tail}", "units_per_package": random.choice([Decimal(30), Decimal(100), None])}
        for tail in ("000101", "000102", "000201")
        if random.random() < 0.8
    ]
    chargebacks = [
        {
            "chargeback_id": f"{number}-{n}",
            "entity_id": named("E1", "E2", "E3"),
            "ndc11": ndc(),
            "invoice_date": day(),
            "packages": Decimal(random.choice([1, 2, -1])),
            "contract_type": random.choice(["340B", "340B", "OTHER"]),
        }
        for n in range(random.randint(0, 8))
    ]
    outcomes = [
        {
            "source_row_id": random.choice(claims)["source_row_id"],
            "answered_on": random.choice([date(2025, 5, 1), date(2025, 6, 29), AS_OF]),
            "answer": random.choice(["ACCEPTED", "PARTIAL", "REJECTED", "NO_ANSWER"]),
        }
        for _ in range(random.randint(0, 6))
    ]
    dispense = ("pharmacy_key", "rx_key", "fill_number", "date_of_service", "ndc11")
    dispenses = [
        {**dict(zip(dispense, key, strict=True)), "reversals": random.choice([0, 1, 2])}
        for key in sorted({tuple(claim[name] for name in dispense) for claim in claims}, key=str)
        if key[0] and key[1] and random.random() < 0.7
    ]
    return {
        "claims": claims,
        "links": links,
        "screen": screen,
        "entity_claims": entity_claims,
        "covered_entities": covered_entities,
        "contract_pharmacies": contract_pharmacies,
        "products": products,
        "chargebacks": chargebacks,
        "outcomes": outcomes,
        "dispenses": dispenses,
    }
