"""Shared by rules on 340B claims: phrases that name a claim in a message, and reference rows."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.rules.hit import Facts, phrase, reference_row
from engine.rules.text import if_known, sentence


@phrase
def entity_claimed(f: Facts) -> Column:
    """Such as "340B entity DSH010001 reported 30 units of NDC 00002759701 for service on 2025-08-01 at pharmacy
    1234567893 as bought at the 340B price (row E1)".
    """
    return sentence(
        "340B entity {entity} reported {quantity:number} units of NDC {ndc} for service on {served:date} at pharmacy "
        "{pharmacy} as bought at the 340B price (row {row}{assumed})",
        entity=f.entity_id,
        quantity=f.quantity,
        ndc=f.ndc11,
        served=f.date_of_service,
        pharmacy=f.pharmacy_npi,
        row=f.source_row_id,
        assumed=F.when(f.is_340b_assumed, F.lit("; the entity did not state that the claim is 340B")).otherwise(
            F.lit("")
        ),
    )


def from_to(start: Column, end: Column) -> Column:
    """Such as "from 2020-01-01 to 2024-07-01", with the known dates only."""
    return F.concat(if_known(" from {day:date}", day=start), if_known(" to {day:date}", day=end))


def entity_row(f: Facts) -> Column:
    """The reference row of the covered entity, with its dates in the 340B program."""
    return reference_row(
        "covered_entities",
        f.entity_id,
        f.entity_participating_start,
        f.entity_termination_date,
        f.entity_snapshot_date,
    )
