"""Links to the pharmacy's reversed dispenses: natural key equality and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime

from pyspark.sql import SparkSession

from engine.contracts.links import LINKS_PHARMACY
from engine.contracts.prepared import PHARMACY_DISPENSES, PREPARED_REBATE_CLAIMS
from engine.link import link_pharmacy
from tests.unit.link_rows import dispense, frame, rebate

# what: (rebate claim, dispense, is linked)
CASES = {
    "equal": ({}, {}, True),
    "both fills missing": ({"fill_number": None}, {"fill_number": None}, True),
    "one fill missing": ({"fill_number": None}, {}, False),
    "other fill": ({"fill_number": 1}, {}, False),
    "other day": ({"date_of_service": date(2025, 2, 11)}, {}, False),
    "other package": ({"ndc11": "00002000102"}, {}, False),
    "other pharmacy": ({"pharmacy_key": "1003000134"}, {}, False),
    "no Rx number": ({"script_key": None}, {"script_key": None}, False),
    "hashed Rx number": ({"script_key": "v1:1234567"}, {"script_key": "1234567"}, False),
    "not reversed": ({}, {"is_reversed": False, "last_transaction": "B3"}, False),
    "medical": ({"claim_type": "MEDICAL"}, {}, False),
}


def test_links(spark: SparkSession) -> None:
    at = datetime(2025, 2, 20, 8, 30, tzinfo=UTC)
    claims, dispenses = [], []
    for number, (claim, given, _) in enumerate(CASES.values()):
        for side, make, fields in ((claims, rebate, claim), (dispenses, dispense, given)):
            row = make(f"{make.__name__}-{number}", **fields)
            for key in ("script_key", "rx_key"):
                row[key] = f"{row[key]}{number}" if row[key] is not None else None
            side.append(row)
    for row in dispenses:
        row.update(reversed_at=at, reversal_source_row_id=f"B2 of {row['source_row_id']}")
    claims.append(claims[0] | {"source_row_id": "asked twice", "period": "2025Q2"})
    found = link_pharmacy(frame(spark, claims, PREPARED_REBATE_CLAIMS, 2), frame(spark, dispenses, PHARMACY_DISPENSES))
    assert found.schema.simpleString() == LINKS_PHARMACY.simpleString()
    links = {row.source_row_id: row for row in found.collect()}
    expected = {f"rebate-{n}" for n, (_, _, is_linked) in enumerate(CASES.values()) if is_linked}
    assert set(links) == expected | {"asked twice"}
    link = links["rebate-0"]
    assert link.pharmacy_source_row_id == links["asked twice"].pharmacy_source_row_id == "dispense-0"
    assert (link.pharmacy_last_transaction, link.pharmacy_is_reversed) == ("B2", True)
    assert link.pharmacy_reversal_source_row_id == "B2 of dispense-0"
    assert link.pharmacy_reversed_at == at.replace(tzinfo=None)
