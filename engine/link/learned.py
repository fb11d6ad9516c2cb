"""Linkage parameters estimated by a run, stored to score its pairs again; they contain no claims or prices."""

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
    """What linking estimated from the claims of a run."""

    weights: LinkWeights
    offsets: FillOffsets

    def as_json(self) -> dict[str, Any]:
        """priors: log2 odds by block. fields: m and u probability and log2_weight, by field and level. fill_offsets:
        number of the first fill, by source.
        """
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
    def from_json(cls, parameters: Mapping[str, Any]) -> Learned:
        """Read the result of `as_json`; further keys are ignored."""

        def shares(kind: str) -> dict[str, dict[str, float]]:
            fields = parameters["fields"].items()
            return {field: {level: values[kind] for level, values in levels.items()} for field, levels in fields}

        offsets = parameters["fill_offsets"]
        return cls(
            LinkWeights(dict(parameters["priors"]), shares("m"), shares("u")),
            FillOffsets(dict(offsets["payers"]), dict(offsets["entities"])),
        )

    def in_settings(self, settings: LinkSettings) -> LinkSettings:
        """Settings with these parameters frozen: linking estimates nothing from the claims."""
        weights = self.weights
        priors = {
            field: {
                level: LevelPrior.model_construct(of_matches=m, of_others=weights.u[field][level])
                for level, m in levels.items()
            }
            for field, levels in weights.m.items()
        }
        shares = {block: 1 / (1 + 2.0**-log2_odds) for block, log2_odds in weights.priors.items()}
        frozen = {
            "learn_weights": False,
            "level_priors": priors,
            "block_priors": shares,
            "fill_offsets": {**self.offsets.payers, **self.offsets.entities},
            "offset_pairs": sys.maxsize,
        }
        return settings.model_copy(update=frozen)
