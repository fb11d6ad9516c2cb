"""How much of one covered entity's claims is in dispute: blanket disputes are answered by nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pyspark.sql import DataFrame

from engine import exports
from engine.runtime.storage import Storage, join
from engine.settings import DisputeSettings

_FILE = ("form_inputs", "entity_claims.json")


def write_claims_of_entities(entity_claims: DataFrame, storage: Storage, folder: str) -> dict[str, int]:
    """Write how many live 340B claims each covered entity reported; returns them by 340B id."""
    counts = {row["entity_id"]: row["count"] for row in entity_claims.groupBy("entity_id").count().collect()}
    exports.write_json(storage, join(folder, *_FILE), counts)
    return counts


def claims_of_entities(storage: Storage, folder: str) -> dict[str, int]:
    """What `write_claims_of_entities` wrote; none if the run had no 340B claims."""
    place = join(folder, *_FILE)
    counts: dict[str, int] = json.loads(storage.read_bytes(place)) if storage.exists(place) else {}
    return counts


def blanket_disputes(disputed: Mapping[str, int], claims: Mapping[str, int], settings: DisputeSettings) -> list[str]:
    """A warning for each entity of whose claims more than the configured part is in dispute; few claims do not count.

    disputed: lines in dispute by 340B id; claims: claims that the entity reported.
    """
    return [
        f"blanket dispute: {lines:,} of {claims[entity]:,} claims of covered entity {entity} are in dispute "
        f"(disputes.most_of_entity = {settings.most_of_entity:g})"
        for entity, lines in sorted(disputed.items())
        if entity in claims and lines >= settings.blanket_claims and lines > settings.most_of_entity * claims[entity]
    ]
