"""NDC units of rebate lines: HCPCS units are converted as of the date of service, and nothing else is."""

from __future__ import annotations

from decimal import Decimal
from decimal import Decimal as D

import pytest
from pyspark.sql import DataFrame, SparkSession

from engine.contracts.prepared import PREPARED_REBATE_CLAIMS
from engine.prepare import good_rows, live_rebate_claims, net_rebate_claims
from tests.unit.prepare_rows import by_id, conformed, row, settled

J1 = {"hcpcs_code": "J0001", "claim_type": "MEDICAL", "units_basis": "HCPCS", "units": "4"}
ROWS = [
    row("rebate_claims", "ndc", claim_id="1", units_basis="NDC", hcpcs_code="J0001"),
    row("rebate_claims", "unsaid", claim_id="2", units_basis=None),
    row("rebate_claims", "unknown", claim_id="3", units_basis="UNKNOWN"),
    row("rebate_claims", "old factor", claim_id="4", **J1, date_of_service="2024-12-31"),
    row("rebate_claims", "new factor", claim_id="5", **J1, date_of_service="2025-01-01"),
    row("rebate_claims", "half up", claim_id="6", **{**J1, "units": "0.003"}),
    row("rebate_claims", "negative", claim_id="7", **{**J1, "units": "-4"}),
    row("rebate_claims", "another code", claim_id="8", **{**J1, "hcpcs_code": "J9999"}),
    row("rebate_claims", "no code", claim_id="9", **{**J1, "hcpcs_code": None}),
    row("rebate_claims", "another product", claim_id="10", **J1, ndc="00003000101"),
]
CROSSWALK = [
    {"ndc": "0002-7597-01", "hcpcs_code": "j0001", "ndc_units_per_hcpcs_unit": "2", "end_date": "2025-01-01"},
    {"ndc": "00002759701", "hcpcs_code": "J0001", "ndc_units_per_hcpcs_unit": "0.5", "begin_date": "2025-01-01"},
]
PRODUCTS = [
    {"ndc": "00002759701", "hcpcs_code": "J0001", "ndc_units_per_hcpcs_unit": "10"},
    {"ndc": "00003000101"},
]


@pytest.fixture(scope="module")
def units_by(spark: SparkSession) -> dict[str, dict[str, Decimal | None]]:
    claims = conformed(spark, "rebate_claims", ROWS)
    netting = settled(net_rebate_claims(claims))
    crosswalk = good_rows(conformed(spark, "hcpcs_crosswalk", CROSSWALK))
    products = good_rows(conformed(spark, "products", PRODUCTS))

    def answer(*references: DataFrame | None) -> dict[str, Decimal | None]:
        live = live_rebate_claims(claims, netting, *references)
        assert [(field.name, field.dataType) for field in live.schema] == [
            (field.name, field.dataType) for field in PREPARED_REBATE_CLAIMS
        ]
        return {name: one["ndc_units"] for name, one in by_id(live).items()}

    return {
        "crosswalk": answer(crosswalk, products),
        "products": answer(None, products),
        "nothing": answer(None, None),
    }


def test_units_of_ndc_and_unknown_basis_are_taken_as_they_are(units_by: dict[str, dict[str, Decimal | None]]) -> None:
    for units in units_by.values():
        assert [units[name] for name in ("ndc", "unsaid", "unknown")] == [D(30)] * 3


def test_the_crosswalk_in_force_on_the_day_converts(units_by: dict[str, dict[str, Decimal | None]]) -> None:
    assert {name: units for name, units in units_by["crosswalk"].items() if units != D(30)} == {
        "old factor": D(8),
        "new factor": D(2),
        "half up": D("0.002"),
        "negative": D(-2),
        "another code": None,
        "no code": None,
        "another product": None,
    }


def test_the_products_own_factor_counts_where_there_is_no_crosswalk(
    units_by: dict[str, dict[str, Decimal | None]],
) -> None:
    assert units_by["products"]["new factor"] == D(40)
    assert units_by["products"]["another product"] is None


def test_without_a_factor_nothing_is_converted(units_by: dict[str, dict[str, Decimal | None]]) -> None:
    assert {units for name, units in units_by["nothing"].items() if name not in ("ndc", "unsaid", "unknown")} == {None}
