"""Combines several detectors by the highest of their ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import scorer_class
from .base import Scorer, expect, occlusion


@dataclass(frozen=True)
class RankCombination(Scorer):
    """`members` with their `kinds`, and the scores of the training rows by each member: members x rows, ascending."""

    members: tuple[Scorer, ...]
    kinds: tuple[str, ...]
    training_scores: npt.NDArray[np.float64]
    features: int

    @property
    def keeps_rows(self) -> bool:
        """Whether a member keeps rows of the training data."""
        return any(member.keeps_rows for member in self.members)

    def check(self) -> None:
        """Raise ValueError unless the members and their training scores fit together."""
        super().check()
        expect(self.members and all(member.features == self.features for member in self.members), "the members")
        of_members = self.training_scores.ndim == 2 and len(self.training_scores) == len(self.members)
        expect(of_members and self.training_scores.shape[1] > 0, "the scores of the training rows")

    def scores(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The highest, over the members, of the share of training rows with at most the row's score; ties are broken by
        the mean over the members. In [0, 1).

        Ranks give members of any scale the same weight. The maximum is used because a member may detect what others
        miss (Aggarwal and Sathe 2015, on normalizing before combining and on the maximum).
        """
        highest, total = np.zeros(len(rows)), np.zeros(len(rows))
        for member, ascending in zip(self.members, self.training_scores, strict=True):
            rank = np.searchsorted(ascending, member.scores(rows), side="right")
            highest = np.maximum(highest, rank)
            total += rank
        places = self.training_scores.shape[1] + 1
        return (highest + total / (len(self.members) * places)) / places

    def contributions(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """See `occlusion`: ranks of several detectors have no additive parts by feature."""
        return occlusion(self, rows)

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name; those of members are named `<place>.<name>`."""
        of_members = {
            f"{place}.{name}": array
            for place, member in enumerate(self.members)
            for name, array in member.arrays.items()
        }
        return {
            "kinds": np.array(self.kinds),
            "training_scores": self.training_scores,
            "features": np.array(self.features),
            **of_members,
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> RankCombination:
        """The combination of arrays that `arrays` returned; those of member 0 begin with `0.`."""
        kinds = tuple(arrays["kinds"].tolist())
        members = tuple(
            scorer_class(kind).of_arrays(
                {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{place}.")}
            )
            for place, kind in enumerate(kinds)
        )
        combination = cls(members, kinds, arrays["training_scores"], arrays["features"].item())
        combination.check()
        return combination
