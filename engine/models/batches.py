"""Columns that a detector computes on the executors, in Arrow batches.

Executors import this module and that of the scorer, so neither may import scikit-learn, pyod or mlflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, SparkSession
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import arrow_udf

from engine.models.scorers.base import Scorer
from engine.runtime.sharing import share

Answer = Callable[[Scorer, npt.NDArray[np.float64]], pa.Array]


def score_column(spark: SparkSession, scorer: Scorer, inputs: Sequence[Column], batch_rows: int) -> Column:
    """The anomaly score. `inputs`: the features as doubles without NULL; `batch_rows`: rows scored at a time."""
    return _computed(spark, scorer, inputs, batch_rows, _scores, T.DoubleType())


def contributions_column(spark: SparkSession, scorer: Scorer, inputs: Sequence[Column], batch_rows: int) -> Column:
    """Array with the contribution of each input, in their order, to the anomaly score of a row."""
    return _computed(spark, scorer, inputs, batch_rows, _contributions, T.ArrayType(T.DoubleType()))


def _computed(
    spark: SparkSession,
    scorer: Scorer,
    inputs: Sequence[Column],
    batch_rows: int,
    answer: Answer,
    return_type: T.DataType,
) -> Column:
    shared = share(spark, scorer)

    def answers(*columns: pa.Array) -> pa.Array:
        starts = range(0, max(len(columns[0]), 1), batch_rows)
        parts = (_matrix([column.slice(start, batch_rows) for column in columns]) for start in starts)
        return pa.concat_arrays([answer(shared.value, part) for part in parts])

    # Spark takes the kind of function from the annotations; its type stubs require it as an argument
    return arrow_udf(answers, return_type)(*inputs)  # type: ignore[call-overload]


def _matrix(columns: Sequence[pa.Array]) -> npt.NDArray[np.float64]:
    """Matrix rows x features, in column-major order."""
    matrix = np.empty((len(columns[0]), len(columns)), dtype=np.float64, order="F")
    for place, column in enumerate(columns):
        matrix[:, place] = column.to_numpy(zero_copy_only=False)
    return matrix


def _scores(scorer: Scorer, rows: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(scorer.scores(rows))


def _contributions(scorer: Scorer, rows: npt.NDArray[np.float64]) -> pa.Array:
    by_row = scorer.contributions(rows)
    ends = np.arange(0, by_row.size + 1, by_row.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(by_row.ravel()))
