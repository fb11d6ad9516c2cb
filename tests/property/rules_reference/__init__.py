"""The rule catalog once more: slow and obvious, in plain Python over rows of text, written from the contract.

Grouped by what a rule looks at. `judge` says of each live row which rules fire, in which class, with which guards, what
they put at issue. Rules that rest on many peers (R028, R034 to R037, R049, R050, R052) are tested elsewhere.
"""

from __future__ import annotations

from tests.property.rules_reference import claims, duplicates
from tests.property.rules_reference.world import Prepared


def judge(tables: dict[str, list[dict[str, str]]]) -> dict[str, dict[str, dict]]:
    """{row id: {rule id: what it says}} of the live rows of one world."""
    world = Prepared(tables)
    found = {}
    for row in world.claims:
        hits = [*claims.judge(world, row), *duplicates.judge(world, row)]
        found[row["source_row_id"]] = {one["rule"]: one for one in hits if one is not None}
    return found
