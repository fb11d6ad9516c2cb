"""Reference rows without any date of their own.

They are also used for days before their snapshot, when it is not known whether they were already valid (contract part
7, item 16).
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.columns import Kind
from engine.contracts.tables import TABLES
from engine.runtime.column_names import column_names
from engine.runtime.expressions import all_of

_SNAPSHOT = "snapshot_date"


def known_from(reference: DataFrame, table: str) -> Column:
    """The snapshot date of an undated row of a conformed reference table.

    NULL if the row has any date or quarter of its own, or no snapshot date.
    """
    there = {*column_names(reference)}
    own = [each.name for each in TABLES[table].columns if each.kind in (Kind.DATE, Kind.QUARTER) and each.name in there]
    undated = all_of(F.col(name).isNull() for name in own if name != _SNAPSHOT)
    day = F.col(_SNAPSHOT) if _SNAPSHOT in there else F.lit(None)
    return F.when(undated, day.cast("date"))


def least_known_from(several: Column) -> Column:
    """Aggregate of `known_from`: NULL if one of the rows is dated or has no snapshot date, else the earliest."""
    return F.when(F.count(F.lit(1)) == F.count(several), F.min(several))
