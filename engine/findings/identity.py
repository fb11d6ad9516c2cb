"""Finding ids that stay the same in every run."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.claim_key import CLAIM_KEY, entity_claim_key, rebate_type_of_key
from engine.contracts.codes import Subject
from engine.contracts.prepared import LINEAGE

INVOICE_KEY = ("invoice_number", "program", "sub_program", "rebate_type", "state", "ndc11", "period", "line_kind")


def claim_finding_id() -> Column:
    """Id of a finding on a rebate claim: made from the claim key of the first row of its lineage.

    The second and further chains with an equal key have their number added, as do the second and further live rows of
    one chain.
    """
    has_lineage = F.col("lineage").isNotNull()
    # on the embedded engine, fields of a NULL struct are not NULL
    lineage = {name: F.when(has_lineage, F.col("lineage")[name]) for name in LINEAGE.names}
    of_first = {name: F.coalesce(lineage[name], name) for name in ("program", "claim_id", "claim_line")}
    of_first["rebate_type"] = rebate_type_of_key()
    key = [of_first.get(name, F.col(name)) for name in CLAIM_KEY]
    branch = F.when(lineage["branch"] > 1, F.array(lineage["ordinal"].cast("string"), lineage["branch"].cast("string")))
    return _hashed(Subject.REBATE_CLAIM, key, F.coalesce(branch, _if_further(lineage["ordinal"])))


def entity_claim_finding_id() -> Column:
    """Id of a finding on a 340B claim: made from entity, pharmacy, prescription, fill, date and NDC-11; the second and
    further equal claims have their number added.
    """
    return _hashed(Subject.ENTITY_CLAIM, [*entity_claim_key().values()], _if_further(F.col("claim_ordinal")))


def invoice_finding_id() -> Column:
    """The id of a finding on an invoice line: a hash of the line's key."""
    return _hashed(Subject.INVOICE, _columns(INVOICE_KEY), _nothing())


def _if_further(number: Column) -> Column:
    """Array with the number among rows with an equal key, as text; empty for the first row."""
    return F.when(number > 1, F.array(number.cast("string"))).otherwise(_nothing())


def _nothing() -> Column:
    return F.array().cast("array<string>")


def _columns(names: tuple[str, ...]) -> list[Column]:
    return [F.col(name) for name in names]


def _hashed(subject: Subject, key: list[Column], more: Column) -> Column:
    # As JSON, so that NULL, '' and values that contain the separator give different ids.
    words = F.concat(F.array(F.lit(subject.value), *(value.cast("string") for value in key)), more)
    return F.substring(F.sha2(F.to_json(words), 256), 1, 32)
