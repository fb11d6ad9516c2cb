"""Files of decided claim lines, one per recipient, from an allow-list of columns by kind of recipient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Route
from engine.exports.batches import ordered_batches
from engine.exports.csv_files import csv_column, csv_writer
from engine.exports.plain_text import file_name
from engine.exports.review_rows import SEPARATOR, masked_rx_unless
from engine.runtime.storage import Storage, join

_CLAIM = (
    "program",
    "sub_program",
    "rebate_type",
    "period",
    "invoice_number",
    "labeler_code",
    "product_code",
    "package_code",
    "product_name",
    "claim_id",
    "claim_line",
    "pharmacy_npi",
    "rx_number",
    "fill_number",
    "date_of_service",
    "units_invoiced",
    "units_disputed",
    "dispute_code",
    "code_text",
    "other_codes",
    "documents",
)
# What each kind of recipient may see (contract, section 7, no. 20): its own claims; of the entity's claim a state its
# 340B id, a PBM that and how well it matches in words of tiers. No price, no score, no other payer, no reference rows.
RECIPIENT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    Route.STATE.value: ("record_id", *_CLAIM, "entity_id"),
    Route.PBM.value: (*_CLAIM, "entity_id", "match_tier"),
}
_ORDER = "labeler_code product_code package_code period claim_id claim_line finding_id"


def write_final_files(
    lines: DataFrame,
    code_texts: Mapping[str, str],
    storage: Storage,
    folder: str,
    unmasked_rx_recipients: Sequence[str] = (),
) -> dict[str, int]:
    """FINAL_LINES that are not held back as one CSV file per recipient in `folder`; returns lines by file name.

    Rx numbers show their last four characters alone, but for recipients in `unmasked_rx_recipients`. Order: product,
    period, claim. Raises OutputError.
    """
    texts = F.create_map(*(F.lit(word) for pair in code_texts.items() for word in pair))
    rows = lines.where(F.col("held_back").isNull()).withColumns(
        {
            "code_text": F.try_element_at(texts, F.col("dispute_code")),
            "rx_number": masked_rx_unless(F.col("recipient").isin(list(unmasked_rx_recipients)), F.col("rx_number")),
            "other_codes": F.array_join("other_codes", SEPARATOR),
            "documents": F.array_join("documents", SEPARATOR),
        }
    )
    counted = rows.groupBy("route", "recipient").count().collect()
    written = {}
    for route, recipient, count in sorted(map(tuple, counted)):
        name = f"{route.lower()}-{file_name(recipient)}.csv"
        names = RECIPIENT_COLUMNS[route]
        own = rows.where((F.col("route") == route) & (F.col("recipient") == recipient)).select(*names, "finding_id")
        with storage.local_file(join(folder, name)) as path, path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv_writer(file)
            writer.writerow(names)
            for batch in ordered_batches(own, [F.col(column) for column in _ORDER.split()], count):
                cells = [csv_column(batch.column(column)) for column in names]
                writer.writerows(zip(*cells, strict=True))
        written[name] = count
    return written
