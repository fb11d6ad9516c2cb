"""How much of one covered entity's claims is in dispute, to warn of blanket disputes, which nobody answers."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pyspark.sql import DataFrame

from engine import exports
from engine.errors import counted
from engine.runtime.storage import Storage, join
from engine.settings import DisputeSettings

_FILE = ("form_inputs", "entity_claims.json")


def write_claims_of_entities(entity_claims: DataFrame, storage: Storage, folder: str) -> dict[str, int]:
    """Write the number of live 340B claims that each covered entity reported; returns the numbers by 340B id."""
    counts = {row["entity_id"]: row["count"] for row in entity_claims.groupBy("entity_id").count().collect()}
    exports.write_json(storage, join(folder, *_FILE), counts)
    return counts


def claims_of_entities(storage: Storage, folder: str) -> dict[str, int]:
    """The numbers that `write_claims_of_entities` wrote; empty if the run had no 340B claims."""
    place = join(folder, *_FILE)
    counts: dict[str, int] = json.loads(storage.read_bytes(place)) if storage.exists(place) else {}
    return counts


def blanket_disputes(disputed: Mapping[str, int], claims: Mapping[str, int], settings: DisputeSettings) -> list[str]:
    """A warning for each entity if more than the configured share of its claims is in dispute.

    Entities with few claims are not checked. disputed: number of lines in dispute by 340B id; claims: number of claims
    that the entity reported, by 340B id.
    """
    return [
        f"blanket dispute: {lines:,} of {counted(claims[entity], 'claim', 'claims')} of covered entity {entity} "
        f"{'is' if lines == 1 else 'are'} in dispute "
        f"(disputes.most_of_entity = {settings.most_of_entity:g})"
        for entity, lines in sorted(disputed.items())
        if entity in claims and lines >= settings.blanket_claims and lines > settings.most_of_entity * claims[entity]
    ]
