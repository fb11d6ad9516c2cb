"""What a finished run keeps, so `explain` does not have to read the input and repeat the steps.

`<run>/kept` contains intermediate results as the run wrote them: conformed and netted feeds, the reference tables that
linking reads, the facts of every row and the reference distributions of peers. They are moved, not written again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial

from pyspark.sql import DataFrame, SparkSession

from engine import exports, facts, prepare
from engine.contracts.codes import Subject
from engine.contracts.tables import TABLES
from engine.pipeline.stages import Linked, LiveClaims, Prepared
from engine.pipeline.work_tables import CONFORMED, FACTS, FAMILIES, NETTING, PEERS
from engine.rules import CLAIM_SCREEN
from engine.runs import Run, WorkTable
from engine.runtime.parquet import read_parquet
from engine.runtime.paths import reader_path
from engine.runtime.storage import Storage, join, storage_of
from engine.settings import PeerSettings

FOLDER = "kept"
_CONTENTS = "contents.json"
_FEEDS = ("rebate_claims", "entity_claims", "invoices")
# Reference tables that linking and conversions read.
_REFERENCES = ("pharmacies", "products", "hcpcs_crosswalk")


def keep_rows(run: Run, linked: Linked) -> None:
    """Move the results that `explain` reads from the work folder to the run's outputs; call it before `run.publish`.

    Afterwards the moved results can no longer be read from the work folder.
    """
    tables = [kind.of(name) for kind in (CONFORMED, NETTING) for name in (*_FEEDS, *_REFERENCES)]
    tables += [FAMILIES, *FACTS.values(), *PEERS.values()]
    moved = [table.name for table in tables if run.folders.keep(table.name, join(FOLDER, table.name))]
    contents = {"results": moved, "available": sorted(linked.available)}
    exports.write_json(run.storage, join(run.folders.outputs, FOLDER, _CONTENTS), contents)


@dataclass(frozen=True)
class Kept:
    """The kept rows of a run. available: the value of `Linked.available` in the run."""

    spark: SparkSession
    folder: str
    results: frozenset[str]
    available: frozenset[str]

    @classmethod
    def of(cls, spark: SparkSession, run_folder: str) -> Kept | None:
        """The kept rows of the run; None if it kept none."""
        storage: Storage = storage_of(spark)
        folder = join(run_folder, FOLDER)
        contents = join(folder, _CONTENTS)
        if not storage.exists(contents):
            return None
        read = json.loads(storage.read_bytes(contents))
        return cls(spark, folder, frozenset(read["results"]), frozenset(read["available"]))

    def facts(self, subject: Subject, settings: PeerSettings) -> DataFrame | None:
        """Facts of every row of a subject, with z-scores; of rebate claims, the facts that the screen reads.

        None without the subject's feed.
        """
        rows = self._result(FACTS[subject])
        peers = self._result(PEERS[subject]) if subject in PEERS else None
        if rows is None or peers is None:
            return rows
        if subject is Subject.REBATE_CLAIM:
            return facts.with_claim_peers(rows, peers, settings, CLAIM_SCREEN)
        return facts.with_invoice_peers(rows, peers, settings)

    def prepared(self) -> Prepared:
        """Live rows of the feeds, and the reference tables that linking reads."""
        references = {}
        for name in _REFERENCES:
            conformed, netting = self._result(CONFORMED.of(name)), self._result(NETTING.of(name))
            if conformed is not None:
                good = prepare.good_rows(conformed)
                references[name] = good if netting is None else prepare.live_references(conformed, netting)
        claims, entity_claims, invoices = (self._feed(name) for name in _FEEDS)
        live = None
        if claims is not None:
            rows = prepare.live_rebate_claims(*claims, references.get("hcpcs_crosswalk"), references.get("products"))
            live = LiveClaims(rows, lambda _: rows, rows)
        live_entity_claims = None
        if entity_claims is not None:
            with_parents = prepare.with_parents(entity_claims[0], self._result(FAMILIES))
            live_entity_claims = prepare.live_entity_claims(with_parents, entity_claims[1])
        feeds = {name: feed for name in _FEEDS if (feed := self._feed(name)) is not None}
        return Prepared(
            opened={},
            references=references,
            claims=live,
            entity_claims=live_entity_claims,
            invoices=None if invoices is None else prepare.live_invoices(*invoices),
            left_out={
                name: partial(prepare.left_out, conformed, TABLES[name], netting)
                for name, (conformed, netting) in feeds.items()
            },
        )

    def _feed(self, name: str) -> tuple[DataFrame, DataFrame] | None:
        """Conformed rows and netting of a feed; None without the feed."""
        conformed, netting = self._result(CONFORMED.of(name)), self._result(NETTING.of(name))
        return None if conformed is None or netting is None else (conformed, netting)

    def _result(self, table: WorkTable) -> DataFrame | None:
        if table.name not in self.results:
            return None
        place = join(self.folder, *table.name.split("/"))
        schema = self.spark.read.parquet(reader_path(self.spark, place)).schema
        return read_parquet(self.spark, place, schema)
