"""CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.contracts.findings import DISPUTE_LINES
from engine.exports.batches import ordered_batches
from engine.exports.plain_text import safe_text, safe_texts
from engine.exports.review_rows import SEPARATOR, flat_lines, masked_rx_unless
from engine.runtime.parquet import write_parquet
from engine.runtime.storage import Storage

_LOOKS_LIKE_A_NUMBER = re.compile(r"[0-9][0-9E.-]*")
_NUMBER_LIKE = re.compile(r"(0\d+|\d{12,}|\d+[eE]\d+|\d{1,4}[-/]\d{1,2}([-/]\d{1,4})?)\Z")


def csv_column(values: pa.Array) -> list[str | None]:
    """Values as CSV shows them: decimals exact, dates ISO, text made safe and on one line."""
    if pa.types.is_string(values.type):
        return safe_texts(values)
    return pc.cast(values, pa.string()).to_pylist()


def as_text_in_spreadsheets(values: list[str | None]) -> list[str | None]:
    """Identifiers that a spreadsheet would open as another number or as a date, after a tab, which makes them text.

    Leading zeros would go, twelve digits and more become 2.02519E+13, 12E4 and 3-14 a number and a day. Readers of the
    contract's tables drop white space around a value.
    """
    return [text if text is None or _NUMBER_LIKE.match(text) is None else f"\t{text}" for text in values]


def csv_writer(file: IO[str]) -> Any:
    """Every field is quoted: whatever separator a spreadsheet expects, a value stays in its quotes."""
    return csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)


def spreadsheet_identifier(text: str | None) -> str | None:
    """An identifier that Excel would take for a number or a date as `="00002"`, which it keeps as it is; other text as
    `safe_text`.
    """
    return f'="{text}"' if text and _LOOKS_LIKE_A_NUMBER.fullmatch(text) else safe_text(text)


def write_rows(rows: Iterable[Mapping[str, Any]], names: Sequence[str], storage: Storage, uri: str) -> None:
    """Few rows as one CSV file with these columns; lists are joined by `|`. Raises OutputError."""
    with storage.local_file(uri) as path, path.open("w", encoding="utf-8", newline="") as file:
        writer = csv_writer(file)
        writer.writerow(names)
        for row in rows:
            writer.writerow([_cell(row[name]) for name in names])


def _cell(value: Any) -> str | None:
    text = "|".join(value) if isinstance(value, list) else value
    return None if text is None else safe_text(str(text))


def write_disputes_detail(
    lines: DataFrame, storage: Storage, uri: str, unmasked_rx_recipients: Sequence[str] = ()
) -> int:
    """The claim lines drafted for dispute (DISPUTE_LINES) as one CSV file with the schema's names.

    The file leaves the company: Rx numbers show their last four characters alone, but for those of payers and states
    in `unmasked_rx_recipients`. Arrays are joined by `|`; order: counterparty, product, claim. Returns the number of
    lines. Raises OutputError.
    """
    recipient = F.coalesce("payer_id", "state")
    rx_number = masked_rx_unless(recipient.isin(list(unmasked_rx_recipients)), F.col("rx_number"))
    flat = flat_lines(lines).withColumn("rx_number", rx_number).select(*DISPUTE_LINES.names)
    order = (
        "route payer_id state labeler_code product_code package_code period record_id claim_id claim_line finding_id"
    )
    count = lines.count()
    written = 0
    with storage.local_file(uri) as path, path.open("w", encoding="utf-8", newline="") as file:
        writer = csv_writer(file)
        writer.writerow(DISPUTE_LINES.names)
        for batch in ordered_batches(flat, [F.col(name) for name in order.split()], count):
            writer.writerows(_rows(batch))
            written += batch.num_rows
    return written


def _rows(batch: pa.RecordBatch) -> Iterable[tuple[str | None, ...]]:
    return zip(*(csv_column(column) for column in batch.columns), strict=True)


def write_rejected(rows: DataFrame, columns: Sequence[str], storage: Storage, folder: str, file_format: str) -> int:
    """QUARANTINE rows of one table with its `columns` as they were received, to correct and send again.

    `rejected.csv` in `folder`, or Parquet files there; `file_format`: csv or parquet. Columns: row (its id or key),
    reasons (joined by `|`), then the table's, as text. Returns the number of rows; writes nothing if there are none.
    Raises OutputError.
    """
    received = F.from_json("raw", "map<string, string>")
    flat = rows.select(
        F.col("source_row_id").alias("row"),
        F.array_join("reasons", SEPARATOR).alias("reasons"),
        *(received[name].alias(name) for name in columns),
    )
    count = flat.count()
    if count == 0:
        return 0
    if file_format == "parquet":
        write_parquet(flat.orderBy("row", "reasons"), storage, folder)
        return count
    with storage.local_file(f"{folder}/rejected.csv") as path, path.open("w", encoding="utf-8", newline="") as file:
        writer = csv_writer(file)
        writer.writerow(flat.columns)
        for batch in ordered_batches(flat, [F.col("row"), F.col("reasons")], count):
            writer.writerows(_rows(batch))
    return count
