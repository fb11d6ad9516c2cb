"""Files with one recipient each; an allow-list determines the columns for each kind of recipient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Route, Subject
from engine.exports.batches import ordered_batches
from engine.exports.csv_files import csv_column, csv_writer, identifiers
from engine.exports.plain_text import file_name
from engine.exports.review_rows import SEPARATOR, masked_rx_unless
from engine.runtime.storage import Storage, join

_PRODUCT = ("labeler_code", "product_code", "package_code", "product_name")
_DISPENSE = ("pharmacy_npi", "rx_number", "fill_number", "date_of_service")
_CLAIM = (
    *("program", "sub_program", "rebate_type", "period", "invoice_number", *_PRODUCT, "claim_id", "claim_line"),
    *(*_DISPENSE, "units_invoiced", "units_disputed", "dispute_code", "code_text", "other_codes", "documents"),
)
# The columns that each kind of recipient may see (contract, section 7, no. 20). States and PBMs see their own claims.
# Of the entity's claim, a state sees the 340B id, a PBM the 340B id and the match tier. Of another payer, a state sees
# only that the dispense was also invoiced there. An entity sees the dispense. Nobody sees prices, scores, other payers
# or reference rows.
RECIPIENT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    Route.STATE.value: ("record_id", *_CLAIM, "entity_id", "invoiced_elsewhere"),
    Route.PBM.value: (*_CLAIM, "entity_id", "match_tier"),
    Route.ENTITY.value: (*_DISPENSE, "ndc"),
    Route.FACILITATOR.value: (
        *("period", "claim_id", "claim_line", *_DISPENSE, "ndc", "units_invoiced", "units_disputed"),
        "justification_code",
    ),
}
_IDENTIFIERS = {
    *("labeler_code", "product_code", "package_code", "claim_id", "pharmacy_npi"),
    *("rx_number", "ndc", "entity_id", "invoice_number"),
}
_ORDER = "route recipient labeler_code product_code package_code period claim_id claim_line date_of_service finding_id"


def write_recipient_files(
    lines: DataFrame,
    code_texts: Mapping[str, str],
    storage: Storage,
    folder: str,
    unmasked_rx_recipients: Sequence[str] = (),
    justification_code: str | None = None,
    prefix: str = "",
) -> dict[str, int]:
    """Write FINAL_LINES that may be sent, as one CSV file per recipient in `folder`; returns lines by file name.

    Only the last four characters of Rx numbers are shown, except for recipients in `unmasked_rx_recipients`. Findings
    on invoice lines are only on the form. Identifiers are written so that Excel keeps their leading zeros. Order:
    product, period, claim. Raises OutputError.
    """
    texts = F.create_map(*(F.lit(word) for pair in code_texts.items() for word in pair))
    sent = lines.where(F.col("held_back").isNull() & (F.col("subject") != Subject.INVOICE.value))
    rows = sent.withColumns(
        {
            "code_text": F.try_element_at(texts, F.col("dispute_code")),
            "rx_number": masked_rx_unless(F.col("recipient").isin(list(unmasked_rx_recipients)), F.col("rx_number")),
            "other_codes": F.array_join("other_codes", SEPARATOR),
            "documents": F.array_join("documents", SEPARATOR),
            "ndc": F.col("ndc11"),
            "invoiced_elsewhere": F.when(F.col("is_elsewhere"), F.lit("yes")),
            "justification_code": F.lit(justification_code).cast("string"),
        }
    )
    names = sorted({name for columns in RECIPIENT_COLUMNS.values() for name in columns})
    rows = rows.select("route", "recipient", *names, "finding_id")
    written: dict[str, int] = {}
    for (route, recipient), of_recipient in groupby(
        _cells(rows, names), key=lambda row: (row["route"], row["recipient"])
    ):
        name = f"{prefix}{route.lower()}-{file_name(recipient)}.csv"
        columns = RECIPIENT_COLUMNS[route]
        with ExitStack() as stack:
            path = stack.enter_context(storage.local_file(join(folder, name)))
            writer = csv_writer(stack.enter_context(path.open("w", encoding="utf-8-sig", newline="")))
            writer.writerow(columns)
            count = 0
            for row in of_recipient:
                writer.writerow([row[column] for column in columns])
                count += 1
        written[name] = count
    return written


def _cells(rows: DataFrame, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows in order, as text, streamed."""
    for batch in ordered_batches(rows, [F.col(column) for column in _ORDER.split()], rows.count()):
        texts = {name: csv_column(batch.column(name)) for name in names}
        columns = {
            name: (identifiers(values) if name in _IDENTIFIERS else values).to_pylist()
            for name, values in texts.items()
        }
        keys = {name: batch.column(name).to_pylist() for name in ("route", "recipient")}
        for values in zip(*columns.values(), *keys.values(), strict=True):
            yield dict(zip((*columns, *keys), values, strict=True))
