"""The line of business of a card, derived from earlier claims with the same numbers."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import MEDICAID_PROGRAMS
from engine.facts.feature import BEFORE, Feature
from engine.facts.history import before, near, share, with_history
from engine.intervals import quarter_index
from engine.runtime.column_names import column_names

_CARD = ("bin", "pcn", "group_id")
FEATURES = (
    Feature(
        "F58",
        "f58_bin_pcn_lob_conf",
        "claims of Medicaid programs / all claims with the same BIN, PCN and group (PCN and group: not given equals "
        "not given)",
        needs=("rebate_claims.bin",),
        grain="BIN, PCN and group",
        window=BEFORE,
    ),
)


def with_line_of_business(rows: DataFrame, flagged: DataFrame, claims: DataFrame) -> DataFrame:
    """Add F58 to `rows`."""
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    of_card = with_history(
        rows,
        near(flagged, claims, _CARD, may_be_null=_CARD[1:]),
        _CARD,
        {"quarter": quarter_index(F.col("date_of_service"))},
        "of_card",
        {"medicaid": F.count_if(is_medicaid)},
        may_be_null=_CARD[1:],
    )
    return of_card.select(*column_names(rows), share(before("of_card"), "medicaid").alias("f58_bin_pcn_lob_conf"))
