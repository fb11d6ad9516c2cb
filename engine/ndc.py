"""National Drug Codes as column expressions."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.npi import is_digits


def ndc11(ndc: Column) -> Column:
    """Eleven digits of an NDC written as 11 digits or hyphenated 4-4-2, 5-3-2, 5-4-1 or 5-4-2; else NULL.

    Segments are padded to labeler 5, product 4, package 2 (21 CFR 207.33, CMS 11-digit form).
    """
    labeler, product, package = (F.split_part(ndc, F.lit("-"), F.lit(part)) for part in (1, 2, 3))
    return (
        F.when(is_digits(ndc, 11, 11), ndc)
        .when(ndc.rlike(r"^[0-9]{5}-[0-9]{4}-[0-9]{2}\z"), F.concat(labeler, product, package))
        .when(ndc.rlike(r"^[0-9]{4}-[0-9]{4}-[0-9]{2}\z"), F.concat(F.lit("0"), labeler, product, package))
        .when(ndc.rlike(r"^[0-9]{5}-[0-9]{3}-[0-9]{2}\z"), F.concat(labeler, F.lit("0"), product, package))
        .when(ndc.rlike(r"^[0-9]{5}-[0-9]{4}-[0-9]\z"), F.concat(labeler, product, F.lit("0"), package))
    )
