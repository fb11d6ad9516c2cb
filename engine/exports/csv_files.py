"""CSV files that are safe to open in a spreadsheet."""

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
from engine.exports.column_bytes import begins_with_any, has_any
from engine.exports.plain_text import safe_text, safe_texts
from engine.exports.review_rows import SEPARATOR, flat_lines, masked_rx_unless
from engine.runtime.parquet import write_parquet
from engine.runtime.storage import Storage

# Text that a spreadsheet opens as a number, a day, a time or a truth value: 00002, 202519000000001, 12E4, 3-14, MAR12.
# Includes short numbers, so a column is text in all rows.
_MONTH = "(jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}"
_NUMBER = "[.0-9][0-9e.,:/+% -]*[ap]?m?"
_DAY = f"{_MONTH}[./, -]*[0-9]{{1,4}}|[0-9]{{1,4}}[./, -]*{_MONTH}[./, -]*[0-9]{{0,4}}"
_NUMBER_LIKE = re.compile(f"({_NUMBER}|true|false|{_DAY})", re.IGNORECASE)
_NUMBER_LIKE_FIRST_BYTES = b".0123456789jfmasondtJFMASONDT"


def csv_column(values: pa.Array) -> pa.Array:
    """Values as CSV text: exact decimals, ISO dates, safe text on one line."""
    return safe_texts(values) if pa.types.is_string(values.type) else pc.cast(values, pa.string())


def csv_lines(columns: Iterable[pa.Array]) -> str:
    """Lines of a CSV file from columns of text, formatted as by `csv_writer`."""
    quoted = []
    for values in columns:
        if pa.types.is_string(values.type) and has_any(values, b'"'):
            values = pc.replace_substring(values, '"', '""')
        quoted.append(pc.fill_null(values, ""))
    lines = pc.binary_join_element_wise(*quoted, '","')
    return "".join(pc.binary_join_element_wise('"', lines, '"\n', "").to_pylist())


def identifiers(values: pa.Array) -> pa.Array:
    """A column of safe text as identifiers for CSV: preceded by a tab if a spreadsheet would convert them.

    The tab makes it text in Excel and in LibreOffice, which hide the tab and keep it when they save the file. Readers
    of the contract's tables, and `feedback`, drop white space around a value.
    """
    if not begins_with_any(values, _NUMBER_LIKE_FIRST_BYTES):
        return values
    changes = pc.match_substring_regex(values, rf"^{_NUMBER_LIKE.pattern}\z", ignore_case=True)
    if not pc.any(changes).as_py():
        return values
    return pc.if_else(changes, pc.binary_join_element_wise("\t", values, ""), values)


def identifier(text: str | None) -> str | None:
    """One identifier of the input, as in `identifiers`."""
    shown = safe_text(text)
    return f"\t{shown}" if shown and _NUMBER_LIKE.fullmatch(shown) else shown


def csv_writer(file: IO[str]) -> Any:
    """A writer that quotes every field, so values stay intact whatever separator a spreadsheet expects."""
    return csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)


def write_rows(rows: Iterable[Mapping[str, Any]], names: Sequence[str], storage: Storage, uri: str) -> None:
    """Write a small number of rows as one CSV file with these columns; lists are joined by `|`. Raises OutputError."""
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
    """Write the claim lines drafted for dispute (DISPUTE_LINES) as one CSV file with the schema's column names.

    The file leaves the company: only the last four characters of Rx numbers are shown, except for payers and states in
    `unmasked_rx_recipients`. Arrays are joined by `|`; order: counterparty, product, claim. Returns the number of
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
            file.write(csv_lines([csv_column(column) for column in batch.columns]))
            written += batch.num_rows
    return written


def write_rejected(rows: DataFrame, columns: Sequence[str], storage: Storage, folder: str, file_format: str) -> int:
    """Write QUARANTINE rows of one table with its `columns` as received, so they can be corrected and sent again.

    Written to `rejected.csv` in `folder`, or as Parquet files; `file_format`: csv or parquet. Columns: row (its id or
    key), reasons (joined by `|`), then the table's, as text. Returns the number of rows; writes nothing if there are
    none. Raises OutputError.
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
            file.write(csv_lines([csv_column(column) for column in batch.columns]))
    return count
