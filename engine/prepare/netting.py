"""Netting for every table of the contract: which rows are live, given the other rows of the table."""

from __future__ import annotations

from pyspark.sql import DataFrame

from engine.contracts.columns import Table
from engine.prepare.net_entity_claims import net_entity_claims
from engine.prepare.net_invoices import net_invoices
from engine.prepare.net_pharmacy_claims import net_pharmacy_claims
from engine.prepare.net_rebate_claims import net_rebate_claims
from engine.prepare.net_references import net_references
from engine.runtime.keep import Keep, kept_in_place

_FEEDS = {
    "pharmacy_claims": net_pharmacy_claims,
    "entity_claims": net_entity_claims,
    "invoices": net_invoices,
}


def net(conformed: DataFrame, table: Table, keep: Keep = kept_in_place) -> DataFrame:
    """Netting results of a conformed table, sparse: row_id, left_as, problem and the further columns of the table's
    module.

    At most one row per row_id; a row without a result is live as it is. `keep(name, rows)` writes an intermediate
    result and returns it; names are unique within one call.
    """
    if table.name == "rebate_claims":
        return net_rebate_claims(conformed, keep)
    of_feed = _FEEDS.get(table.name)
    return of_feed(conformed) if of_feed else net_references(conformed, table)
