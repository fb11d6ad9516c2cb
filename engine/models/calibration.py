"""Conformal p-values of scores, against reference rows that were not used to train the detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import arrow_udf

from engine.errors import ConfigurationError, Problem
from engine.models.sample import drawn
from engine.runtime.sharing import share

# Levels of strata, finest first: NDC-9 x program, drug category x program, all rows.
LEVELS = ("ndc9", "drug_category", "all")
CALIBRATION_FILE = "calibration.npz"

_FENCE_INNER, _FENCE_TAIL = 0.9, 0.02
_SPLIT_SALT = "held out for calibration"
_SAMPLE_SALT = "calibration sample"
_JUDGED = T.StructType(
    [
        T.StructField("p_value", T.DoubleType()),
        T.StructField("stratum", T.StringType()),
        T.StructField("rows", T.LongType()),
    ]
)


@dataclass(frozen=True)
class Calibration:
    """Scores of reference rows, ascending within each stratum with enough of them; plain arrays.

    `strata` are names in ascending order; the scores of stratum i are `scores[ends[i - 1]:ends[i]]`.
    """

    strata: npt.NDArray[np.str_]
    ends: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]

    @classmethod
    def of(cls, reference: pd.DataFrame, levels: Sequence[str], stratum_minimum: int) -> Calibration:
        """Build the calibration from reference rows.

        `reference`: one row per reference row, with the name of its stratum at each level (or NULL), and
        anomaly_score. Strata with fewer than `stratum_minimum` rows are excluded.
        """
        by_stratum = pd.concat(
            [reference[[level, "anomaly_score"]].rename(columns={level: "stratum"}) for level in levels]
        ).dropna(subset=["stratum"])
        sizes = by_stratum.groupby("stratum").size()
        sizes = sizes[sizes >= stratum_minimum].sort_index()
        kept = by_stratum[by_stratum["stratum"].isin(sizes.index)].sort_values(["stratum", "anomaly_score"])
        return cls(
            strata=sizes.index.to_numpy(dtype=np.str_),
            ends=np.cumsum(sizes.to_numpy(dtype=np.int64)),
            scores=kept["anomaly_score"].to_numpy(dtype=np.float64),
        )

    def check(self) -> None:
        """Raise ValueError unless the arrays fit together."""
        sizes = np.diff(self.ends, prepend=0)
        last = self.ends[-1] if len(self.ends) else 0
        if len(self.strata) != len(self.ends) or (sizes <= 0).any() or last != len(self.scores):
            raise ValueError("the strata and their scores do not fit together")

    @property
    def smallest_p_value(self) -> float | None:
        """The smallest p-value that any row can have; None if every stratum is too small."""
        sizes = np.diff(self.ends, prepend=0)
        return None if not len(sizes) else float(1 / (1 + sizes.max()))

    def place_of(self, names: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The index of each stratum name; -1 for a stratum that is missing or too small."""
        if not len(self.strata):
            return np.full(len(names), -1)
        known = np.array([name is not None for name in names], dtype=bool)
        text = np.where(known, names, "").astype(np.str_)
        place = np.minimum(np.searchsorted(self.strata, text), len(self.strata) - 1)
        return np.where(known & (self.strata[place] == text), place, -1)

    def finest(self, places: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
        """For each row, the first index that is not -1, from the indices of its strata, finest level first."""
        place = places[0]
        for of_level in places[1:]:
            place = np.where(place >= 0, place, of_level)
        return place

    def p_values(
        self, place: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """p = (1 + reference rows of the stratum with at least the score) / (1 + its reference rows), and their number.

        Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World" (2005), 2.2; with held-out rows: Bates et al.,
        "Testing for outliers with conformal p-values", Annals of Statistics 51 (2023). If the row and the reference
        rows of its stratum are exchangeable, p <= a has a probability of at most a. Equal scores have equal p. NaN and
        0 where `place` is -1.
        """
        p_values, rows = np.full(len(scores), np.nan), np.zeros(len(scores), dtype=np.int64)
        for number in np.unique(place[place >= 0]):
            own = place == number
            reference = self.scores[(self.ends[number - 1] if number else 0) : self.ends[number]]
            at_or_above = len(reference) - np.searchsorted(reference, scores[own], side="left")
            p_values[own] = (1 + at_or_above) / (1 + len(reference))
            rows[own] = len(reference)
        return p_values, rows

    def save(self, folder: str | Path) -> None:
        """Write the calibration into a model's folder, as arrays without pickled objects."""
        np.savez_compressed(
            Path(folder, CALIBRATION_FILE), strata=self.strata, ends=self.ends, scores=self.scores, allow_pickle=False
        )

    @classmethod
    def load(cls, folder: str | Path) -> Calibration:
        """Read a calibration that `save` wrote. Raises ConfigurationError if the file is missing or invalid."""
        file = Path(folder, CALIBRATION_FILE)
        try:
            # opened here: numpy leaves a file open that is no archive
            with file.open("rb") as content, np.load(content, allow_pickle=False) as arrays:
                calibration = cls(strata=arrays["strata"], ends=arrays["ends"], scores=arrays["scores"])
            calibration.check()
            return calibration
        # numpy and zipfile raise many kinds of errors on invalid files
        except Exception as error:
            raise ConfigurationError(
                Problem(
                    "the model's calibration cannot be read",
                    str(file),
                    f"{type(error).__name__}: {error}",
                    "scores of reference rows, as `train` writes them",
                    "train a new model, or name another version with --model",
                )
            ) from error


def is_held_out(share: float) -> Column:
    """True for the share of rows from which reference rows are drawn; detectors are trained on the other rows."""
    return drawn(_SPLIT_SALT, share)


def reference_sample(held_out: DataFrame, reference_rows: int) -> DataFrame:
    """About `reference_rows` of the rows, drawn by the hash of source_row_id; all rows if there are fewer."""
    total = held_out.count()
    if total <= reference_rows:
        return held_out
    return held_out.where(drawn(_SAMPLE_SALT, reference_rows / total))


def calibrate(scored: DataFrame, levels: Sequence[str], stratum_minimum: int) -> Calibration:
    """Calibrate on scored reference rows, which are collected to the driver. `levels`: some of LEVELS.

    `scored`: ndc9, program, drug_category, anomaly_score. Rows above `fence` are excluded: they are probably anomalies
    that nobody has reviewed yet, and would mask similar ones.
    """
    reference = scored.select("anomaly_score", *strata()).toArrow().to_pandas()
    usual = reference[reference["anomaly_score"] <= fence(reference["anomaly_score"].to_numpy(dtype=np.float64))]
    return Calibration.of(usual, levels, stratum_minimum)


def fence(scores: npt.NDArray[np.float64]) -> float:
    """The score above which less than one row is expected among as many ordinary rows.

    Extrapolates the decay of scores from the 90th to the 98th percentile, which anomalies hardly affect. Infinite for
    fewer than 50 rows, or if these percentiles are equal.
    """
    rows = len(scores)
    if rows * _FENCE_TAIL < 1:
        return float("inf")
    inner, outer = np.quantile(scores, [_FENCE_INNER, 1.0 - _FENCE_TAIL])
    scale = (outer - inner) / np.log((1.0 - _FENCE_INNER) / _FENCE_TAIL)
    return float(outer + scale * np.log(_FENCE_TAIL * rows)) if scale > 0 else float("inf")


def p_values(scored: DataFrame, calibration: Calibration) -> DataFrame:
    """SCORES: the p-value of each row in the finest of its strata with enough reference rows; NULL if there is none.

    `scored`: source_row_id, ndc9, program, drug_category, anomaly_score, anomaly_has_reason.
    """
    shared = share(scored.sparkSession, calibration)

    def judge(scores: pa.Array, *names: pa.Array) -> pa.Array:
        return _judged(shared.value, scores.to_numpy(zero_copy_only=False), names)

    judged = arrow_udf(judge, _JUDGED)(F.col("anomaly_score"), *strata())  # type: ignore[call-overload]
    return scored.select("source_row_id", "anomaly_score", "anomaly_has_reason", judged.alias("judged")).select(
        "source_row_id",
        "anomaly_score",
        F.col("judged.p_value").alias("anomaly_p_value"),
        F.col("judged.stratum").alias("anomaly_stratum"),
        F.col("judged.rows").alias("anomaly_rows"),
        "anomaly_has_reason",
    )


def strata() -> list[Column]:
    """Names of a row's strata, in the order of LEVELS: `ndc9/000020001/MDRP_FFS`, NULL if the NDC-9 is unknown;
    `drug_category/S/MDRP_FFS`, with unknown as a category of its own; `all`.
    """
    category = F.coalesce(F.col("drug_category"), F.lit("unknown"))
    columns = (_stratum("ndc9", F.col("ndc9")), _stratum("drug_category", category), F.lit("all"))
    return [column.alias(level) for level, column in zip(LEVELS, columns, strict=True)]


def _judged(calibration: Calibration, scores: npt.NDArray[np.float64], names: Sequence[pa.Array]) -> pa.Array:
    place = calibration.finest([_places(calibration, of_level) for of_level in names])
    p_values, rows = calibration.p_values(place, scores)
    stratum = pa.array(calibration.strata, pa.string()).take(pa.array(place, mask=place < 0))
    return pa.StructArray.from_arrays(
        [pa.array(p_values, mask=place < 0), stratum, pa.array(rows)], names=_JUDGED.names
    )


def _places(calibration: Calibration, names: pa.Array) -> npt.NDArray[np.int64]:
    """Stratum indices, looked up once per distinct name, because a batch has few."""
    encoded = names.dictionary_encode()
    of_name = np.append(calibration.place_of(encoded.dictionary.to_numpy(zero_copy_only=False)), -1)
    return of_name[encoded.indices.fill_null(len(of_name) - 1).to_numpy(zero_copy_only=False)]


def _stratum(kind: str, member: Column) -> Column:
    program = F.coalesce(F.col("program"), F.lit("unknown"))
    return F.concat(F.lit(f"{kind}/"), member, F.lit("/"), program)
