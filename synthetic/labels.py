"""The labels of the rows of a chunk: violations, look-alikes, anomalies, and rows to watch.

- truth: rules that must fire on the row; for claims their units at issue (NULL if they depend on other claims),
  their code of kind DISPUTE, and which of the row's rules decides the finding;
- look_alikes: a rule that must not fire on the row, and the kind of similarity;
- anomalies: unusual rows that no rule describes, by kind; anomaly_look_alikes: rows that only look unusual;
- group_anomalies: rows of an unusual month of a group;
- watch: a rule that may fire as weak evidence; neither is an error.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyspark.sql import types as T

from engine.contracts.codes import Subject
from synthetic import answers, arrow, entity_claims
from synthetic.calendar import QUARTERS, quarter_of
from synthetic.dispenses import Dispenses, Plan
from synthetic.entity_claims import Sent
from synthetic.fills import AFTER_VOID, PLANNED_IN_PARTS, Early, Fills, Lineage
from synthetic.identifiers import generator
from synthetic.kinds import Days, Label, Twist
from synthetic.payers import COMMERCIAL, CONTRACT_TERMS, EXCLUSION_ENDED, FFS, MCO, MFP, PARTD, Terms
from synthetic.places import MEF_STATES
from synthetic.planning import IS_COMBINED, ON_ENTITY_CLAIM, PLAIN, SCENARIOS, column, has
from synthetic.rebate_claims import source_row_ids
from synthetic.rebate_rows import BILLED_TWICE, OLD_PERIODS, RebateRows, Row
from synthetic.world import World

LABELS = T.StructType([T.StructField(name, T.StringType()) for name in ("label", "source_row_id", "rule_id", "kind")])
CLAIM_LABELS = T.StructType(
    [
        *LABELS.fields,
        T.StructField("units_at_issue", T.DecimalType(15, 3)),
        T.StructField("dispute_code", T.StringType()),
        T.StructField("decides", T.BooleanType()),
    ]
)
_SCHEMA = pa.schema(
    [
        *((field.name, pa.string()) for field in LABELS),
        ("units_at_issue", arrow.UNITS),
        ("dispute_code", pa.string()),
        ("decides", pa.bool_()),
    ]
)
LABEL_COLUMNS = {
    Label.TRUTH: ("source_row_id", "rule_id", "units_at_issue", "dispute_code", "decides"),
    Label.LOOK_ALIKE: ("source_row_id", "rule_id", "kind"),
    Label.ANOMALY: ("source_row_id", "kind"),
    Label.USUAL: ("source_row_id", "kind"),
    Label.GROUP: ("source_row_id", "kind"),
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
# Further live rows of a dispense, by twist.
_FURTHER_ROWS = (
    (PLANNED_IN_PARTS, Row.COMPLETION),
    (BILLED_TWICE, Row.DUPLICATE),
    ((Twist.SECOND_REBATE_TYPE,), Row.SUPPLEMENTAL),
)
# Rules that a claim for a dispense of 340B stock breaks without a planted case.
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
    # R055 fires once the credit is overdue, which depends on the day of the run
    ("credit_to_come", "R055", Label.WATCH),
    # if the payer has enough claims of the product to compare with
    ("units_times_ten", "R035", Label.WATCH),
    ("period_of_another_time", "R054", Label.TRUTH),
    ("unbilled", "R061", Label.TRUTH),
    ("billed_with_next_invoice", "R061", Label.LOOK_ALIKE),
    ("no_invoice_received", "R061", Label.LOOK_ALIKE),
    ("other_entity", "R046", Label.TRUTH),
    ("corrected_late", "R048", Label.LOOK_ALIKE),
)
_KINDS = [*(scenario.kind for scenario in SCENARIOS), *(kind for kind, _, _ in _OTHERS)]
_RULES = [*(scenario.rule for scenario in SCENARIOS), *(rule for _, rule, _ in _OTHERS)]
_LABEL_NAMES = [*(scenario.label.value for scenario in SCENARIOS), *(label.value for _, _, label in _OTHERS)]
_NEXT_FILL, _RHYTHM, _FIRST_DISCOUNT = len(SCENARIOS), len(SCENARIOS) + 1, len(SCENARIOS) + 2
_JUST_TERMINATED, _EARLY_REFILL, _VACATION_SUPPLY, _HALF_USED_UP, _AT_COST, _PRICE_ZERO = range(
    len(_KINDS) - 14, len(_KINDS) - 8
)
_CREDIT_TO_COME, _TENFOLD, _OTHER_PERIOD, _UNBILLED, _BILLED_LATE, _NO_INVOICE, _OTHER_ENTITY, _CORRECTED_LATE = range(
    len(_KINDS) - 8, len(_KINDS)
)
_IS_OF_ENTITY = np.array([*ON_ENTITY_CLAIM[:-1], *(False for _ in _OTHERS[:-2]), True, True])
_IS_TRUE = np.array([name == Label.TRUTH for name in _LABEL_NAMES])
_CODE_OF = {scenario: code for code, scenario in enumerate(SCENARIOS)}
_IS_YEAR_AFTER = column("days") == Days.YEAR_AFTER_TERMINATION


def label_batch(world: World, plan: Plan, chunk: int, d: Dispenses, f: Fills, r: RebateRows) -> pa.RecordBatch:
    """The labels of a chunk: columns of CLAIM_LABELS, one row per labeled row and rule."""
    kind, row = d.scenario.copy(), _labeled_rows(d, f)
    kind[_next_fills(plan, chunk, d, f)] = _NEXT_FILL
    kind[f.rhythm_broken] = _RHYTHM
    planned = np.flatnonzero((kind != PLAIN) & ~IS_COMBINED[d.scenario])
    also_at, also = _also(d, f)
    at, row, kind = (
        np.concatenate(parts)
        for parts in zip(
            (planned, row[planned], kind[planned]),
            _combined(d, f, row),
            _duplicate_discounts(world, d, f),
            _unbilled(r),
            (also_at, row[also_at], also),
            _also_of_entities(d),
            strict=True,
        )
    )
    number, is_of_entity = d.number[at], _IS_OF_ENTITY[kind]
    of_entity = entity_claims.source_row_ids(number, row)
    columns = {
        "label": arrow.chosen(_LABEL_NAMES, kind),
        "source_row_id": arrow.either(is_of_entity, of_entity, source_row_ids(number, row)),
        "rule_id": arrow.chosen(_RULES, kind),
        "kind": arrow.chosen(_KINDS, kind),
        **_answers(world, d, f, at, row, kind),
    }
    return arrow.batch(columns, _SCHEMA)


def _answers(
    world: World, d: Dispenses, f: Fills, at: np.ndarray, row: np.ndarray, kind: np.ndarray
) -> dict[str, pa.Array]:
    """Units, code and whether the rule decides, for violations; NULL for all other rows."""
    true = np.flatnonzero(_IS_TRUE[kind])
    rules = [_RULES[k] for k in kind[true].tolist()]
    stated = answers.state(world, d, f, at[true], row[true], rules, _IS_OF_ENTITY[kind[true]])
    place = np.full(len(kind), -1)
    place[true] = np.arange(len(true))
    units = np.append(stated.units, -1)[place]
    return {
        "units_at_issue": arrow.decimals(units, arrow.UNITS, units >= 0),
        "dispute_code": arrow.chosen(stated.code, place),
        "decides": arrow.booleans(np.append(stated.decides, False)[place], place >= 0),
    }


def _combined(d: Dispenses, f: Fills, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, row and kind of each part of combinations. A part with a row of its own labels that row; other parts
    label every live row of the dispense.
    """
    labeled: list[tuple[int, int, int]] = []
    live = _live_rows(f)
    for at in np.flatnonzero(IS_COMBINED[d.scenario]).tolist():
        case = SCENARIOS[d.scenario[at]]
        every = [int(live[at])] + [int(of) for twists, of in _FURTHER_ROWS if not case.twists.isdisjoint(twists)]
        for part in case.parts:
            own = [int(of_twist) for twist, of_twist in _ROW_OF_TWIST.items() if twist in part.twists]
            if part.subject == Subject.ENTITY_CLAIM:
                own = [int(row[at])]
            labeled += [(at, of_part, _CODE_OF[part]) for of_part in own or every]
    columns = np.array(labeled, dtype=np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def _duplicate_discounts(world: World, d: Dispenses, f: Fills) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, row and kind, if a payer bills 340B stock although nothing was planted: of every live row, and every
    rule that it breaks.
    """
    entities = world.entities
    billed = d.is_plain & d.is_340b & f.is_rebated & (f.lineage != Lineage.VOIDED)
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
    at, rule = np.nonzero(np.stack([billed & breaks[rule] for rule in _DUPLICATE_DISCOUNTS], axis=1))
    rows = _live_rows(f)[at]
    parts = np.flatnonzero(f.in_two_parts[at])
    return (
        np.concatenate([at, at[parts]]),
        np.concatenate([rows, np.full(len(parts), Row.COMPLETION)]),
        _FIRST_DISCOUNT + np.concatenate([rule, rule[parts]]),
    )


def _also(d: Dispenses, f: Fills) -> tuple[np.ndarray, np.ndarray]:
    """Position and kind of the labels of dispenses in addition to their planned case."""
    is_live = f.is_rebated & (f.lineage != Lineage.VOIDED)
    follows = is_live.copy()
    follows[1:] &= is_live[:-1]
    cases = (
        (_IS_YEAR_AFTER[d.scenario], _JUST_TERMINATED),
        (follows & (f.early == Early.UNEXPLAINED), _EARLY_REFILL),
        (follows & (f.early == Early.FOR_VACATION), _VACATION_SUPPLY),
        (follows & f.rhythm_broken, _HALF_USED_UP),
        (has(d.scenario, Twist.FLAG_AT_COST), _AT_COST),
        (has(d.scenario, Twist.URA_ZERO), _PRICE_ZERO),
        (has(d.scenario, Twist.REVERSED_LATE), _CREDIT_TO_COME),
        (has(d.scenario, Twist.UNITS_TENFOLD), _TENFOLD),
        (has(d.scenario, *OLD_PERIODS), _OTHER_PERIOD),
        (has(d.scenario, *OLD_PERIODS), _NO_INVOICE),
    )
    at = [np.flatnonzero(condition) for condition, _ in cases]
    return np.concatenate(at), np.repeat([kind for _, kind in cases], [len(rows) for rows in at])


def _unbilled(r: RebateRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, row and kind of claims without an invoice line, and of those billed with the next quarter's invoice."""
    bills_units = r.units > 0
    by_kind = (np.flatnonzero(bills_units & r.is_unbilled), np.flatnonzero(bills_units & r.is_billed_late))
    rows = np.concatenate(by_kind)
    return r.at[rows], r.kind[rows], np.repeat([_UNBILLED, _BILLED_LATE], [len(of_kind) for of_kind in by_kind])


def _also_of_entities(d: Dispenses) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, row and kind: the claim of the other entity, and a late second report."""
    cases = ((Twist.TWO_ENTITIES, Sent.BY_OTHER, _OTHER_ENTITY), (Twist.REPORTED_AGAIN, Sent.AGAIN, _CORRECTED_LATE))
    at = [np.flatnonzero(has(d.scenario, twist)) for twist, _, _ in cases]
    sizes = [len(of_twist) for of_twist in at]
    rows, kinds = (np.repeat([entry[place] for entry in cases], sizes) for place in (1, 2))
    return np.concatenate(at), rows, kinds


def _live_rows(f: Fills) -> np.ndarray:
    """The row of each dispense that is live in the end (CLAIM if none is)."""
    live = np.full(len(f.lineage), Row.CLAIM)
    live[np.isin(f.lineage, (Lineage.ADJUSTED, Lineage.REPLACED))] = Row.ADJUSTED
    live[f.lineage == Lineage.VOIDED_AND_BILLED] = Row.BILLED_AGAIN
    return live


def _labeled_rows(d: Dispenses, f: Fills) -> np.ndarray:
    """The row of each dispense that a label is about: a pair's later row, else the live row. Of an entity's
    claims a `Sent`, else a `Row`.
    """
    row = _live_rows(f)
    for twist, of_twist in _ROW_OF_TWIST.items():
        row[has(d.scenario, twist)] = of_twist
    row[has(d.scenario, Twist.REPORTED_AGAIN, Twist.REVERSED_AND_REPORTED)] = Sent.AGAIN
    return row


def _next_fills(plan: Plan, chunk: int, d: Dispenses, f: Fills) -> np.ndarray:
    """Medicaid refills whose previous fill was billed too: same prescription, pharmacy and drug, no duplicate."""
    rng = generator(plan.seed, "next_fills", chunk)
    billed = f.is_rebated & (f.lineage == Lineage.NONE)
    eligible = billed & (d.fill > 0) & d.is_plain & ~d.is_medical & (f.program <= MCO)
    eligible[1:] &= billed[:-1]
    share = max(float(eligible.mean()), 1e-9)
    return np.flatnonzero(eligible & (rng.random(len(eligible)) < plan.settings.look_alike_rate / share))
