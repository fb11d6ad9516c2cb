"""The base class of scorers."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt


class Scorer(ABC):
    """A fitted detector as a frozen dataclass of arrays and numbers; it is pickled and broadcast.

    Results for a row depend only on that row, to the last bit, and not on other rows of its batch.
    """

    features: int

    @property
    def keeps_rows(self) -> bool:
        """True if the arrays contain rows of the training sample. Such a scorer must not leave the process."""
        return False

    def check(self) -> None:
        """Raise ValueError unless the arrays are consistent, because compiled code does not check indices."""
        expect(isinstance(self.features, int) and self.features > 0, "the number of features")

    @abstractmethod
    def scores(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """One finite score per row of a matrix rows x features without missing values; higher is more unusual."""

    @abstractmethod
    def contributions(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Contribution of each feature to a row's score, rows x features; positive makes the row more unusual."""

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays and numbers of the scorer, by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The scorer with these `arrays`. Raises ValueError if they do not belong to this kind of scorer."""
        expected = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        if set(arrays) != expected:
            raise ValueError(f"{cls.__name__} is made of {sorted(expected)}, not of {sorted(arrays)}")
        scorer = cls(**{name: value if value.ndim else value.item() for name, value in arrays.items()})
        scorer.check()
        return scorer

    @property
    def digest(self) -> str:
        """SHA-256 of the arrays: equal for equal scorers, regardless of their file."""
        digest = hashlib.sha256()
        for array in self.arrays.values():
            digest.update(array.tobytes())
        return digest.hexdigest()

    def columns(self, rows: npt.NDArray[Any], dtype: type = np.float64) -> npt.NDArray[Any]:
        """The rows as a matrix features x rows, with each feature contiguous in memory."""
        if rows.ndim != 2 or rows.shape[1] != self.features:
            raise ValueError(f"the detector has {self.features} features, the rows are of shape {rows.shape}")
        return np.ascontiguousarray(rows.T, dtype=dtype)


def expect(holds: Any, what: str) -> None:
    """Raise a ValueError that states what is wrong with a scorer's arrays, unless `holds`."""
    if not holds:
        raise ValueError(f"the detector's arrays do not fit together: {what}")


def occlusion(scorer: Scorer, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """How much lower a row's score is when a feature is set to its typical value 0, for each feature.

    For detectors whose sources define no additive parts: the difference of prediction of Robnik-Sikonja and Kononenko
    (2008), with the typical value in place of a mean over all values. The contributions do not add up to the score.
    """
    scores = scorer.scores(rows)
    drops = np.zeros(rows.shape)
    for feature in range(scorer.features):
        typical = np.array(rows, dtype=np.float64)
        typical[:, feature] = 0.0
        drops[:, feature] = scores - scorer.scores(typical)
    return drops


def run_compiled(function: Callable[..., None], *arguments: Any) -> None:
    """Call a function of arrays as machine code."""
    import numba

    _compiled(function, tuple(numba.typeof(argument) for argument in arguments))(*arguments)


@cache
def _compiled(function: Callable[..., None], signature: tuple[Any, ...]) -> Callable[..., None]:
    import numba

    try:
        machine_code = numba.njit(nogil=True, cache=True)(function)
        machine_code.compile(signature)
    except (RuntimeError, OSError):  # numba has no writable folder for machine code, as on some executors
        machine_code = numba.njit(nogil=True)(function)
        machine_code.compile(signature)
    return machine_code
