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

from engine.synthetic import arrow, entity_claims
from engine.synthetic.calendar import QUARTERS, quarter_of
from engine.synthetic.dispenses import Dispenses, Plan
from engine.synthetic.entity_claims import Sent
from engine.synthetic.fills import AFTER_VOID, PLANNED_IN_PARTS, Early, Fills, Lineage
from engine.synthetic.identifiers import generator
from engine.synthetic.payers import COMMERCIAL, CONTRACT_TERMS, EXCLUSION_ENDED, FFS, MCO, MFP, PARTD, Terms
from engine.synthetic.places import MEF_STATES
from engine.synthetic.rebate_claims import source_row_ids
from engine.synthetic.rebate_rows import OLD_PERIODS, Row
from engine.synthetic.scenarios import ON_ENTITY_CLAIM, PLAIN, SCENARIOS, Days, Label, Twist, column
from engine.synthetic.world import World

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
    **dict.fromkeys(PLANNED_IN_PARTS, Row.COMPLETION),
    Twist.AFTER_OTHERS: Row.DUPLICATE,
    Twist.REDELIVERED: Row.REDELIVERED,
    Twist.SECOND_REBATE_TYPE: Row.SUPPLEMENTAL,
    Twist.SECOND_ICN: Row.DUPLICATE,
    Twist.ICN_NAMED: Row.DUPLICATE,
    Twist.MEDICAID_TOO: Row.DUPLICATE,
    Twist.MEDICAID_AFTER_OTHERS: Row.DUPLICATE,
    **dict.fromkeys(AFTER_VOID, Row.DUPLICATE),
}
# Rules that a claim for a dispense of 340B stock breaks by itself.
_DUPLICATE_DISCOUNTS = {"R002": "listed_biller"} | dict.fromkeys(
    ("R003", "R005", "R008", "R009", "R011"), "reported_as_340b"
)
_OTHERS = (
    ("next_fill", "R016", Label.LOOK_ALIKE),
    ("refill_rhythm_broken", "", Label.ANOMALY),
    *((kind, rule, Label.TRUTH) for rule, kind in _DUPLICATE_DISCOUNTS.items()),
    ("terminated_within_the_year", "R023", Label.TRUTH),
    ("early_refill", "R039", Label.TRUTH),
    ("vacation_supply", "R039", Label.LOOK_ALIKE),
    ("half_used_up", "R039", Label.LOOK_ALIKE),
    ("at_acquisition_cost", "R036", Label.LOOK_ALIKE),
    ("price_zero", "R053", Label.LOOK_ALIKE),
    # a rule of its own once the credit is overdue, which is a matter of the day of the run
    ("credit_to_come", "R055", Label.WATCH),
    ("period_of_another_time", "R054", Label.TRUTH),
    ("other_entity", "R046", Label.TRUTH),
    ("corrected_late", "R048", Label.LOOK_ALIKE),
)
_KINDS = [*(scenario.kind for scenario in SCENARIOS), *(kind for kind, _, _ in _OTHERS)]
_RULES = [*(scenario.rule for scenario in SCENARIOS), *(rule for _, rule, _ in _OTHERS)]
_LABEL_NAMES = [*(scenario.label.value for scenario in SCENARIOS), *(label.value for _, _, label in _OTHERS)]
_NEXT_FILL, _RHYTHM, _FIRST_DISCOUNT = len(SCENARIOS), len(SCENARIOS) + 1, len(SCENARIOS) + 2
_JUST_TERMINATED, _EARLY_REFILL, _VACATION_SUPPLY, _HALF_USED_UP, _AT_COST, _PRICE_ZERO = range(
    len(_KINDS) - 10, len(_KINDS) - 4
)
_CREDIT_TO_COME, _OTHER_PERIOD, _OTHER_ENTITY, _CORRECTED_LATE = range(len(_KINDS) - 4, len(_KINDS))
_IS_OF_ENTITY = np.array([*ON_ENTITY_CLAIM[:-1], *(False for _ in _OTHERS[:-2]), True, True])
_IS_YEAR_AFTER = column("days") == Days.YEAR_AFTER_TERMINATION


def label_batch(world: World, plan: Plan, chunk: int, d: Dispenses, f: Fills) -> pa.RecordBatch:
    """The labels of a chunk: columns of LABELS, one row per labelled row and rule."""
    kind, row = d.scenario.copy(), _labelled_rows(d, f)
    kind[_next_fills(plan, chunk, d, f)] = _NEXT_FILL
    kind[f.rhythm_broken] = _RHYTHM
    at = np.flatnonzero(kind != PLAIN)
    discounts = _duplicate_discounts(world, d, f)
    also_at, also = _also(d, f)
    number, row, kind = (
        np.concatenate(parts)
        for parts in zip(
            (d.number[at], row[at], kind[at]),
            discounts,
            (d.number[also_at], row[also_at], also),
            _also_of_entities(d),
            strict=True,
        )
    )
    of_entity = entity_claims.source_row_ids(number, row)
    columns = {
        "label": arrow.chosen(_LABEL_NAMES, kind),
        "source_row_id": arrow.either(_IS_OF_ENTITY[kind], of_entity, source_row_ids(number, row)),
        "rule_id": arrow.chosen(_RULES, kind),
        "kind": arrow.chosen(_KINDS, kind),
    }
    return arrow.batch(columns, pa.schema([(field.name, pa.string()) for field in LABELS]))


def _duplicate_discounts(world: World, d: Dispenses, f: Fills) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of the dispense, row and kind, where a payer asks for 340B stock though nothing was planted: of every row
    that stands, and every rule that it breaks."""
    entities = world.entities
    asked = d.is_plain & d.is_340b & f.is_rebated & (f.lineage != Lineage.VOIDED)
    own = (d.entity >= 0) & (entities.own_pharmacy[d.entity] == d.pharmacy)
    in_file = np.stack([entities.is_listed_in(quarter) for quarter in range(len(QUARTERS))])
    listed = own & in_file[quarter_of(f.day), d.entity] & (entities.listed_state[d.entity] == d.state)
    terms = np.where(f.contract >= 0, f.contract % len(CONTRACT_TERMS), Terms.NONE)
    excluded = (
        (terms == Terms.EXCLUDES)
        | ((terms == Terms.EXCLUDES_ENTITY_OWNED) & own)
        | ((terms == Terms.EXCLUDES_LISTED) & entities.pharmacy_is_listed[d.pharmacy])
        | ((terms == Terms.EXCLUDED_ONCE) & (f.day < EXCLUSION_ENDED))
    )
    breaks = {
        "R002": (f.program == FFS) & listed & MEF_STATES[d.state],
        "R003": f.program == FFS,
        "R005": f.program == MCO,
        "R008": (f.program == COMMERCIAL) & excluded,
        "R009": (f.program == PARTD) & excluded,
        "R011": f.program == MFP,
    }
    at, rule = np.nonzero(np.stack([asked & breaks[rule] for rule in _DUPLICATE_DISCOUNTS], axis=1))
    rows = _live_rows(f)[at]
    parts = np.flatnonzero(f.in_two_parts[at])
    return (
        np.concatenate([d.number[at], d.number[at[parts]]]),
        np.concatenate([rows, np.full(len(parts), Row.COMPLETION)]),
        _FIRST_DISCOUNT + np.concatenate([rule, rule[parts]]),
    )


def _also(d: Dispenses, f: Fills) -> tuple[np.ndarray, np.ndarray]:
    """Position and kind of what is known of dispenses besides what they were planned for."""
    stands = f.is_rebated & (f.lineage != Lineage.VOIDED)
    follows = stands.copy()
    follows[1:] &= stands[:-1]
    found = (
        (_IS_YEAR_AFTER[d.scenario], _JUST_TERMINATED),
        (follows & (f.early == Early.UNEXPLAINED), _EARLY_REFILL),
        (follows & (f.early == Early.FOR_VACATION), _VACATION_SUPPLY),
        (follows & f.rhythm_broken, _HALF_USED_UP),
        (d.twist == Twist.FLAG_AT_COST, _AT_COST),
        (d.twist == Twist.URA_ZERO, _PRICE_ZERO),
        (d.twist == Twist.REVERSED_LATE, _CREDIT_TO_COME),
        (np.isin(d.twist, OLD_PERIODS), _OTHER_PERIOD),
    )
    at = [np.flatnonzero(condition) for condition, _ in found]
    return np.concatenate(at), np.repeat([kind for _, kind in found], [len(rows) for rows in at])


def _also_of_entities(d: Dispenses) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of the dispense, row and kind: the other entity's claim of two, and a report again that comes late."""
    found = ((Twist.TWO_ENTITIES, Sent.BY_OTHER, _OTHER_ENTITY), (Twist.REPORTED_AGAIN, Sent.AGAIN, _CORRECTED_LATE))
    numbers = [d.number[d.twist == twist] for twist, _, _ in found]
    sizes = [len(of_twist) for of_twist in numbers]
    rows, kinds = (np.repeat([entry[place] for entry in found], sizes) for place in (1, 2))
    return np.concatenate(numbers), rows, kinds


def _live_rows(f: Fills) -> np.ndarray:
    """The row of each dispense that stands in the end (CLAIM where none does)."""
    live = np.full(len(f.lineage), Row.CLAIM)
    live[np.isin(f.lineage, (Lineage.ADJUSTED, Lineage.REPLACED))] = Row.ADJUSTED
    live[f.lineage == Lineage.VOIDED_AND_BILLED] = Row.BILLED_AGAIN
    return live


def _labelled_rows(d: Dispenses, f: Fills) -> np.ndarray:
    """The row of each dispense that a label is about: a pair's later one, else the one that stands. Of an entity's
    claims a `Sent`, else a `Row`."""
    row = _live_rows(f)
    for twist, of_twist in _ROW_OF_TWIST.items():
        row[d.twist == twist] = of_twist
    row[np.isin(d.twist, (Twist.REPORTED_AGAIN, Twist.REVERSED_AND_REPORTED))] = Sent.AGAIN
    return row


def _next_fills(plan: Plan, chunk: int, d: Dispenses, f: Fills) -> np.ndarray:
    """Medicaid refills whose fill before was asked for too: same prescription, pharmacy and drug, no duplicate."""
    rng = generator(plan.seed, "next_fills", chunk)
    asked = f.is_rebated & (f.lineage == Lineage.NONE)
    eligible = asked & (d.fill > 0) & d.is_plain & ~d.is_medical & (f.program <= MCO)
    eligible[1:] &= asked[:-1]
    share = max(float(eligible.mean()), 1e-9)
    return np.flatnonzero(eligible & (rng.random(len(eligible)) < plan.settings.look_alike_rate / share))
