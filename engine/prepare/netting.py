"""Which rows of a table stand beside the others: one way to ask for every table of the contract."""

from __future__ import annotations

from pyspark.sql import DataFrame

from engine.contracts.columns import Table
from engine.prepare.net_entity_claims import net_entity_claims
from engine.prepare.net_invoices import net_invoices
from engine.prepare.net_pharmacy_claims import net_pharmacy_claims
from engine.prepare.net_rebate_claims import Keep, kept_in_place, net_rebate_claims
from engine.prepare.net_references import net_references

_FEEDS = {
    "pharmacy_claims": net_pharmacy_claims,
    "entity_claims": net_entity_claims,
    "invoices": net_invoices,
}


def net(conformed: DataFrame, table: Table, keep: Keep = kept_in_place) -> DataFrame:
    """What there is to say of few rows of a conformed table: row_id, and of left_as and problem what its module names.

    No more than one row per row_id; rows of which nothing is said stand as they are. `keep` writes an intermediate
    result, of a name that is unique within one call, out and gives it back.
    """
    if table.name == "rebate_claims":
        return net_rebate_claims(conformed, keep)
    of_feed = _FEEDS.get(table.name)
    return of_feed(conformed) if of_feed else net_references(conformed, table)
