"""What a run learned of linking, kept so that its pairs can be weighed once more: nothing of claims or prices."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.link.fill_offsets import FillOffsets
from engine.link.weights import LinkWeights
from engine.settings import LevelPrior, LinkSettings


@dataclass(frozen=True)
class Learned:
    weights: LinkWeights
    offsets: FillOffsets

    def as_json(self) -> dict[str, Any]:
        """priors: log2 odds by block. fields: by field and level m and u (shares) and log2_weight. fill_offsets: number
        of the first fill by source."""
        weights = self.weights
        fields = {
            field: {
                level: {"m": m, "u": weights.u[field][level], "log2_weight": weights.weight(field, level)}
                for level, m in levels.items()
            }
            for field, levels in weights.m.items()
        }
        offsets = {"payers": dict(self.offsets.payers), "entities": dict(self.offsets.entities)}
        return {"priors": dict(weights.priors), "fields": fields, "fill_offsets": offsets}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Learned:
        """What `as_json` gave; further keys are left alone."""

        def shares(kind: str) -> dict[str, dict[str, float]]:
            return {f: {level: one[kind] for level, one in levels.items()} for f, levels in told["fields"].items()}

        offsets = told["fill_offsets"]
        return cls(
            LinkWeights(dict(told["priors"]), shares("m"), shares("u")),
            FillOffsets(dict(offsets["payers"]), dict(offsets["entities"])),
        )

    def in_settings(self, settings: LinkSettings) -> LinkSettings:
        """Settings that link with this and learn nothing, whatever claims they are given."""
        weights = self.weights
        priors = {
            field: {
                level: LevelPrior.model_construct(of_matches=m, of_others=weights.u[field][level])
                for level, m in levels.items()
            }
            for field, levels in weights.m.items()
        }
        shares = {block: 1 / (1 + 2.0**-log2_odds) for block, log2_odds in weights.priors.items()}
        known = {
            "learn_weights": False,
            "level_priors": priors,
            "block_priors": shares,
            "fill_offsets": {**self.offsets.payers, **self.offsets.entities},
            "offset_pairs": sys.maxsize,
        }
        return settings.model_copy(update=known)
