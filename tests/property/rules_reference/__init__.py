"""The rule catalog once more: slow and obvious, in plain Python over rows of text, written from the contract.

Grouped by what a rule looks at. `judge` says of each live row which rules fire, in which class, with which guards, what
they put at issue. Rules that rest on many rows are read in `statistics_reference`.
"""

from __future__ import annotations

from typing import Any

from tests.property.rules_reference import (
    balances,
    claims,
    duplicates,
    entities,
    entity_policies,
    invoices,
    links_340b,
    settled,
    snapshots,
    transactions,
)
from tests.property.rules_reference.basics import Row, read
from tests.property.rules_reference.world import Prepared

Tables = dict[str, list[dict[str, str]]]
Subjects = dict[str, tuple[str, Row]]


def judge(
    tables: Tables, all_invoices: list[dict[str, str]], rows: Subjects | None = None
) -> dict[str, dict[str, dict[str, Any]]]:
    """{row id: {rule id: what it says}} of the live rows of one world. `all_invoices`: of all worlds. Into `rows` go
    the live rows by their id, with their subject.
    """
    world = Prepared(tables)
    world.all_invoices = read(all_invoices)
    settled.allot(world)
    links_340b.link(world)
    found = {}
    for row in world.claims:
        hits = [*claims.judge(world, row), *duplicates.judge(world, row), *settled.judge(row)]
        hits += [*links_340b.judge(world, row), *transactions.judge(world, row)]
        found[row["source_row_id"]] = [settled.at_issue(world, row, one) for one in hits if one is not None]
    for row in world.entity_claims:
        hits = [*entities.judge(world, row), *entity_policies.judge(world, row), *balances.judge(world, row)]
        found[row["source_row_id"]] = [entities.at_issue(world, row, one) for one in hits if one is not None]
    for row in world.invoices:
        hits = invoices.judge(world, row)
        found[invoices.row_id(row)] = [invoices.at_issue(world, row, one) for one in hits if one is not None]
    subjects = {one["source_row_id"]: ("REBATE_CLAIM", one) for one in world.claims}
    subjects |= {one["source_row_id"]: ("ENTITY_CLAIM", one) for one in world.entity_claims}
    subjects |= {invoices.row_id(one): ("INVOICE", one) for one in world.invoices}
    for row_id, of_row in found.items():
        for one in of_row:
            snapshots.check(world, subjects[row_id][1], one)
    if rows is not None:
        rows |= subjects
    return {row_id: {one["rule"]: one for one in hits} for row_id, hits in found.items()}
