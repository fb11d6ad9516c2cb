"""The comparison of anomaly detectors measures as training does, and changes what it says it changes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.models.ranking import Ranking

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark_of_anomalies() -> Iterator[Any]:
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("anomaly_models")
    sys.path.remove(str(BENCHMARKS))


def test_few_unusual_rows_are_measured_as_rankings_are(benchmark_of_anomalies: Any) -> None:
    random = np.random.default_rng(1)
    for decimals in (0, 1, 6):  # with many ties, and nearly without
        usual = np.append(random.normal(size=200).round(decimals), -np.inf)
        unusual = np.append(random.normal(1, 1, size=7).round(decimals), -np.inf)
        ranking = Ranking.by(np.append(usual, unusual), np.arange(209) >= 201, np.ones(209))
        expected = (ranking.average_precision, ranking.precision_at(20.5), ranking.recall_at(20.5))
        assert benchmark_of_anomalies._figures(np.sort(usual), unusual, 20.5) == pytest.approx(expected)


def test_lines_are_changed_one_kind_each_and_the_others_stay(benchmark_of_anomalies: Any, tmp_path: Path) -> None:
    lines = pd.DataFrame(
        {
            "program": "MDRP_FFS",
            "state": "TX",
            "ndc": [f"00001{n % 3:06d}" for n in range(300)],
            "period": "2026Q1",
            "invoice_number": [f"I{n}" for n in range(300)],
            "line_kind": "CURRENT",
            "units_reimbursed": [Decimal(f"{10 + n}.000") for n in range(300)],
            "rebate_amount": [Decimal(f"{20 + n}.00") for n in range(300)],
            "prescriptions": range(1, 301),
            "medicaid_amount": [Decimal(f"{40 + n % 3 * 100}.00") for n in range(300)],
            "total_amount": [Decimal(f"{40 + n % 3 * 100}.00") for n in range(300)],
        }
    )
    file = tmp_path / "invoices.parquet"
    money = {name: pa.decimal128(14, 2) for name in ("rebate_amount", "medicaid_amount", "total_amount")}
    kinds_of_columns = {"units_reimbursed": pa.decimal128(14, 3), "prescriptions": pa.int64()} | money
    schema = pa.schema([(name, kinds_of_columns.get(name, pa.string())) for name in lines])
    pq.write_table(pa.Table.from_pandas(lines, schema=schema), file)
    lines = pd.read_parquet(file)
    kinds = benchmark_of_anomalies.change_invoices(file, 0.1, 7)
    assert len(kinds) == 30
    assert set(kinds) == set(benchmark_of_anomalies.INVOICE_KINDS)

    changed = pd.read_parquet(file)
    ids = lines[["program", "state", "ndc", "period", "invoice_number", "line_kind"]].agg("/".join, axis=1)
    kind = ids.map(kinds)
    pd.testing.assert_frame_equal(changed[kind.isna()], lines[kind.isna()])
    for name, column, factor in (
        ("units x 10", "units_reimbursed", 10),
        ("units x 10", "rebate_amount", 10),
        ("paid x 8", "total_amount", 8),
        ("paid x 8", "medicaid_amount", 8),
        ("prescriptions x 5", "prescriptions", 5),
    ):
        rows = kind == name
        assert (changed.loc[rows, column] == lines.loc[rows, column] * factor).all()
    assert (
        changed.loc[kind == "paid x 8", "units_reimbursed"] == lines.loc[kind == "paid x 8", "units_reimbursed"]
    ).all()
