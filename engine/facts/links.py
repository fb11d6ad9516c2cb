"""Differences between the claim and the 340B claim that it is linked to."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.dates import days_between
from engine.facts.feature import Feature
from engine.runtime.expressions import divide

_LINKING = "340B claims that the settings of `link` allow"


def dos_delta_days() -> Column:
    """F04: date of service less the linked 340B claim's, in days."""
    return days_between(F.col("date_of_service"), F.col("link_date_of_service"))


def quantity_ratio_340b() -> Column:
    """F05: NDC units / the linked 340B claim's quantity."""
    return divide(F.col("ndc_units").cast("double"), F.col("link_ndc_units").cast("double"))


FEATURES = (
    Feature("F01", "link_tier", "best tier of a link to a 340B claim; NULL: none", ("entity_claims",), unit="tier"),
    Feature(
        "F02", "link_score", "sum of log2 weights of agreement of the fields", ("entity_claims",), unit="log2 odds"
    ),
    Feature(
        "F03",
        "link_candidates",
        "340B claims that match at a tier",
        ("entity_claims",),
        window=_LINKING,
        unit="340B claims",
    ),
    Feature(
        "F04",
        "f04_dos_delta_days",
        "date of service - that of the linked 340B claim",
        needs=("entity_claims",),
        unit="days",
        kind=T.IntegerType(),
        value=dos_delta_days,
    ),
    Feature(
        "F05",
        "f05_quantity_ratio_340b",
        "NDC units / the linked 340B claim's quantity in NDC units",
        needs=("entity_claims",),
        kind=T.DoubleType(),
        value=quantity_ratio_340b,
    ),
)
