"""What is known of the rows of a chunk: violations, look-alikes, oddities, and rows to watch.

- truth: rules that must fire on the row;
- look_alikes: a rule that must not fire on the row, and why one might think so;
- anomalies: odd rows that no rule describes;
- watch: a rule that may fire as weak evidence; neither right nor wrong.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyspark.sql import types as T

from engine.synthetic import arrow
from engine.synthetic.dispenses import Dispenses, Plan
from engine.synthetic.fills import Fills, Lineage
from engine.synthetic.identifiers import generator
from engine.synthetic.payers import MCO
from engine.synthetic.rebate_claims import source_row_ids
from engine.synthetic.rebate_rows import Row
from engine.synthetic.scenarios import PLAIN, SCENARIOS, Label, Twist

LABELS = T.StructType([T.StructField(name, T.StringType()) for name in ("label", "source_row_id", "rule_id", "kind")])
LABEL_COLUMNS = {
    Label.TRUTH: ("source_row_id", "rule_id"),
    Label.LOOK_ALIKE: ("source_row_id", "rule_id", "kind"),
    Label.ANOMALY: ("source_row_id", "kind"),
    Label.WATCH: ("source_row_id", "rule_id", "kind"),
}

_ROW_OF_TWIST = {
    Twist.SAME_PERIOD: Row.DUPLICATE,
    Twist.OTHER_PROGRAM: Row.DUPLICATE,
    Twist.OTHER_STATE: Row.DUPLICATE,
    Twist.OTHER_PERIOD: Row.DUPLICATE,
    Twist.TWO_PARTS: Row.COMPLETION,
    Twist.REDELIVERED: Row.REDELIVERED,
    Twist.SECOND_REBATE_TYPE: Row.SUPPLEMENTAL,
}
_KINDS = [*(scenario.kind for scenario in SCENARIOS), "next_fill", "refill_rhythm_broken"]
_RULES = [*(scenario.rule for scenario in SCENARIOS), "R016", ""]
_LABEL_NAMES = [*(scenario.label.value for scenario in SCENARIOS), Label.LOOK_ALIKE.value, Label.ANOMALY.value]
_NEXT_FILL, _RHYTHM = len(SCENARIOS), len(SCENARIOS) + 1


def label_batch(plan: Plan, chunk: int, d: Dispenses, f: Fills) -> pa.RecordBatch:
    """The labels of a chunk: columns of LABELS, one row per labelled row and rule."""
    kind, row = d.scenario.copy(), _labelled_rows(d, f)
    kind[_next_fills(plan, chunk, d, f)] = _NEXT_FILL
    kind[f.rhythm_broken] = _RHYTHM
    at = np.flatnonzero(kind != PLAIN)
    columns = {
        "label": arrow.chosen(_LABEL_NAMES, kind[at]),
        "source_row_id": source_row_ids(d.number[at], row[at]),
        "rule_id": arrow.chosen(_RULES, kind[at]),
        "kind": arrow.chosen(_KINDS, kind[at]),
    }
    return arrow.batch(columns, pa.schema([(field.name, pa.string()) for field in LABELS]))


def _live_rows(f: Fills) -> np.ndarray:
    """The row of each dispense that stands in the end (CLAIM where none does)."""
    live = np.full(len(f.lineage), Row.CLAIM)
    live[np.isin(f.lineage, (Lineage.ADJUSTED, Lineage.REPLACED))] = Row.ADJUSTED
    live[f.lineage == Lineage.VOIDED_AND_BILLED] = Row.BILLED_AGAIN
    return live


def _labelled_rows(d: Dispenses, f: Fills) -> np.ndarray:
    """The row of each dispense that a label is about: a pair's later one, else the one that stands."""
    row = _live_rows(f)
    for twist, of_twist in _ROW_OF_TWIST.items():
        row[d.twist == twist] = of_twist
    return row


def _next_fills(plan: Plan, chunk: int, d: Dispenses, f: Fills) -> np.ndarray:
    """Medicaid refills whose fill before was asked for too: same prescription, pharmacy and drug, no duplicate."""
    rng = generator(plan.seed, "next_fills", chunk)
    asked = f.is_rebated & (f.lineage == Lineage.NONE)
    eligible = asked & (d.fill > 0) & d.is_plain & ~d.is_medical & (f.program <= MCO)
    eligible[1:] &= asked[:-1]
    share = max(float(eligible.mean()), 1e-9)
    return np.flatnonzero(eligible & (rng.random(len(eligible)) < plan.settings.look_alike_rate / share))
