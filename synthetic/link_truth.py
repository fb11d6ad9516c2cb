"""True links: the rebate row and the entity row of one dispense, and the kinds of mess that obscure the link."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pyarrow as pa
from pyspark.sql import types as T

from synthetic import arrow, entity_claims, rebate_claims
from synthetic.dispenses import Dispenses
from synthetic.fills import Fills
from synthetic.kinds import Entity
from synthetic.mess import Mess
from synthetic.rebate_rows import RebateRows, Row
from synthetic.strangers import Strangers

NAME = "link_truth"
LINK_TRUTH = T.StructType(
    [
        T.StructField("rebate_source_row_id", T.StringType()),
        T.StructField("entity_source_row_id", T.StringType()),
        T.StructField("mess", T.ArrayType(T.StringType())),
    ]
)
_SCHEMA = pa.schema(
    [("rebate_source_row_id", pa.string()), ("entity_source_row_id", pa.string()), ("mess", pa.list_(pa.string()))]
)


class Kind(StrEnum):
    """Kinds of mess, by name in alphabetical order."""

    CENTRAL_FILL = "central_fill"
    DATE_SHIFTED = "date_shifted"
    FILL_MISSING = "fill_missing"
    FILL_OFFSET = "fill_offset"
    HASHED_BY_BOTH = "hashed_by_both"
    HASHED_BY_ENTITY = "hashed_by_entity"
    NCPDP_ONLY = "ncpdp_only"
    NDC_HYPHENATED = "ndc_hyphenated"
    NPI_SUCCESSION = "npi_succession"
    PACKAGE_SWAPPED = "package_swapped"
    PARENT_ID = "parent_id"
    PARTIAL_FILL = "partial_fill"
    PRESCRIBER_DIFFERS = "prescriber_differs"
    QUANTITY_IN_PACKAGES = "quantity_in_packages"
    RX_MISSING = "rx_missing"
    RX_PADDED = "rx_padded"
    RX_SUFFIXED = "rx_suffixed"
    STRANGER_NEAR = "stranger_near"


def link_truth_batch(d: Dispenses, f: Fills, m: Mess, s: Strangers, r: RebateRows) -> pa.RecordBatch:
    """LINK_TRUTH of a chunk: each live rebate row of a dispense that an entity reports and does not reverse."""
    pairs = np.flatnonzero((f.entity_report[r.at] == Entity.LIVE) & r.is_live & (r.kind != Row.STRANGER))
    at = r.at[pairs]
    affected = np.stack([affects[at] for _, affects in sorted(_kinds(d, f, m, s).items())], axis=1)
    ends = np.cumsum(affected.sum(axis=1))
    names = arrow.chosen([kind.value for kind in Kind], np.nonzero(affected)[1])
    columns = {
        "rebate_source_row_id": rebate_claims.source_row_ids(d.number[at], r.kind[pairs]),
        "entity_source_row_id": entity_claims.source_row_ids(d.number[at], np.full(len(at), entity_claims.Sent.CLAIM)),
        "mess": pa.ListArray.from_arrays(pa.array(np.concatenate([[0], ends]), pa.int32()), names),
    }
    return arrow.batch(columns, _SCHEMA)


def _kinds(d: Dispenses, f: Fills, m: Mess, s: Strangers) -> dict[Kind, np.ndarray]:
    """Per kind: which dispenses it affects."""
    payer, entity = m.payer, m.entity
    one_knows_fill = (payer.fill < 0) != (entity.fill < 0)
    return {
        Kind.CENTRAL_FILL: m.filled_at >= 0,
        Kind.DATE_SHIFTED: m.day != f.day,
        Kind.FILL_MISSING: one_knows_fill,
        Kind.FILL_OFFSET: ~one_knows_fill & (payer.fill != entity.fill),
        Kind.HASHED_BY_BOTH: payer.is_hashed & entity.is_hashed,
        Kind.HASHED_BY_ENTITY: ~payer.is_hashed & entity.is_hashed,
        Kind.NCPDP_ONLY: m.by_ncpdp,
        Kind.NDC_HYPHENATED: payer.is_hyphenated | entity.is_hyphenated,
        Kind.NPI_SUCCESSION: payer.has_old_npi | entity.has_old_npi,
        Kind.PACKAGE_SWAPPED: m.product != d.product,
        Kind.PARENT_ID: m.reported_by != d.entity,
        Kind.PARTIAL_FILL: f.in_two_parts,
        Kind.PRESCRIBER_DIFFERS: payer.prescriber != entity.prescriber,
        Kind.QUANTITY_IN_PACKAGES: m.quantity != f.units,
        Kind.RX_MISSING: m.rx_is_missing,
        Kind.RX_PADDED: payer.is_padded | entity.is_padded,
        Kind.RX_SUFFIXED: payer.is_suffixed | entity.is_suffixed,
        Kind.STRANGER_NEAR: s.on_payer | s.on_entity,
    }
