"""R049: what an entity's system bought of a product at the 340B price against what it claims, over four quarters."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from tests.property.rules_reference.basics import Row, first_day, guard, hit, quarter_name, quarter_number, quarter_of
from tests.property.rules_reference.world import Prepared

AS_OF = date(2026, 2, 15)
RATIO, LEAST = Decimal("1.1"), Decimal(100)


def judge(world: Prepared, row: Row) -> list[dict[str, Any] | None]:
    """Said once, on the last claim of a quarter that is over; a claim's and a purchase's parent is that of its day."""
    quarter = quarter_number(quarter_of(row["date_of_service"]))
    if first_day(quarter_name(quarter + 1)) > AS_OF:
        return []
    own = [one for one in world.entity_claims if (one["parent"], one["ndc9"]) == (row["parent"], row["ndc9"])]
    same_quarter = [one for one in own if quarter_number(quarter_of(one["date_of_service"])) == quarter]
    if row is not max(same_quarter, key=lambda one: (one["date_of_service"], one["source_row_id"])):
        return []
    claimed = sum(
        one["quantity"] for one in own if 0 <= quarter - quarter_number(quarter_of(one["date_of_service"])) < 4
    )
    bought = _bought(world, row, quarter)
    if bought is None or bought <= claimed * RATIO or bought - claimed <= LEAST:
        return []
    first = min(one["date_of_service"] for one in world.entity_claims if one["parent"] == row["parent"])
    reaches_back = first < first_day(quarter_name(quarter - 2))
    return [hit("R049", "WEAK", guards=[("SHORT_HISTORY", guard(not reaches_back), "SILENT")])]


def _bought(world: Prepared, row: Row, quarter: int) -> Decimal | int | None:
    """None: nothing bought, or a package of what was bought is not known."""
    units = []
    for one in world.table("chargebacks"):
        ago = quarter - quarter_number(quarter_of(one["invoice_date"]))
        if one["contract_type"] != "340B" or one["ndc"][:9] != row["ndc9"] or not 0 <= ago < 4:
            continue
        if world.parent(one["entity_id"], one["invoice_date"]) == row["parent"]:
            product = world.product(one["ndc"], one["invoice_date"])
            package = product and product["units_per_package"]
            units.append(None if package is None else one["packages"] * package)
    return None if not units or None in units else sum(units)
