"""Whatever text a CSV writer quotes comes back as it was."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.sources.text_records import BLANKS
from tests.unit.sources_folder import INVOICE_CSV, Folder, values

PIECES = (
    '"',
    '""',
    ",",
    "\n",
    " ",
    "\\",
    "'",
    "a",
    "0",
    "é",
    "東",
    "\t",
    ";",
    '",',
    '\n"',
    "\\n",
    "\ufeff",
    "#",
    "null",
)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("spans_lines", [True, False])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_values_come_back(spark: SparkSession, tmp_path: Path, line_end: str, spans_lines: bool, quoting: Any) -> None:
    draw = random.Random(f"{line_end}{spans_lines}{quoting}")
    pieces = [piece for piece in PIECES if spans_lines or "\n" not in piece]
    rows = [
        (f"{n:05d}", *("".join(draw.choices(pieces, k=draw.randrange(6))) for _ in range(2)), "last")
        for n in range(500)
    ]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end, quoting=quoting)
    writer.writerow(["npi", "name", "address", "city"])
    writer.writerows(rows)
    folder = Folder(spark, tmp_path)
    folder.put("invoices.csv", INVOICE_CSV)
    folder.put("pharmacies.csv", text.getvalue().encode())
    expected = [tuple(value if value.strip(BLANKS) else None for value in row) for row in rows]
    assert values(folder.table("pharmacies"), "npi", "name", "address", "city") == expected
