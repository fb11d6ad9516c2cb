"""What a finding on a planted row must state, by the data contract and by how the row was made.

Classes, codes and kinds of units are those of the catalog (domain part 7, contract sections 4 and 7). They apply to
rows without mess, such as combinations. NOT_STATED: units that depend on other claims (medians, sales, settlements).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from synthetic.dispenses import Dispenses
from synthetic.fills import Fills
from synthetic.kinds import Twist
from synthetic.payers import COMMERCIAL, PARTD
from synthetic.places import STATES, state_index
from synthetic.planning import has
from synthetic.rebate_rows import PARTS_TAKEN_BACK, Row
from synthetic.settlements import QUARTER_OF_UNITS
from synthetic.world import World


class Grade(IntEnum):
    """Class of evidence, the strongest first."""

    STRONG = 0
    MEDIUM = 1
    WEAK = 2
    CONTEXT = 3


class At(IntEnum):
    """Which of a row's units are at issue."""

    NOT_STATED = 0
    ALL = 1
    NONE = 2
    SURPLUS = 3  # beyond the units that were dispensed


@dataclass(frozen=True)
class Answer:
    """What a finding on a planted case must state."""

    grade: Grade
    code: str | None  # of kind DISPUTE
    at_issue: At


_STRONG, _MEDIUM, _WEAK, _CONTEXT = Grade
_ALL, _NONE, _SURPLUS, _NOT_STATED = At.ALL, At.NONE, At.SURPLUS, At.NOT_STATED

ANSWERS = {
    **dict.fromkeys(("R001", "R002", "R003", "R004", "R005"), Answer(_STRONG, "X", _ALL)),
    **dict.fromkeys(("R008", "R009", "R010"), Answer(_STRONG, "PBM", _ALL)),
    **dict.fromkeys(("R011", "R012", "R013"), Answer(_STRONG, "MRA", _ALL)),
    **dict.fromkeys(("R016", "R020", "R059"), Answer(_STRONG, "M", _ALL)),
    **dict.fromkeys(("R017", "R018", "R019"), Answer(_MEDIUM, "M", _ALL)),
    "R021": Answer(_MEDIUM, "J", _ALL),
    "R022": Answer(_STRONG, "N", _ALL),
    "R023": Answer(_WEAK, None, _NOT_STATED),
    **dict.fromkeys(("R024", "R025"), Answer(_MEDIUM, "O", _ALL)),
    "R026": Answer(_STRONG, "U", _ALL),
    "R027": Answer(_MEDIUM, None, _NOT_STATED),
    "R028": Answer(_MEDIUM, "D", _SURPLUS),
    "R029": Answer(_MEDIUM, "E", _SURPLUS),
    "R030": Answer(_MEDIUM, "F", _SURPLUS),
    "R031": Answer(_STRONG, "K", _SURPLUS),
    "R032": Answer(_MEDIUM, "K", _ALL),
    **dict.fromkeys(("R033", "R035"), Answer(_MEDIUM, "Q", _NOT_STATED)),
    "R036": Answer(_MEDIUM, "R", _NOT_STATED),
    "R039": Answer(_WEAK, "Q", _NOT_STATED),
    **dict.fromkeys(("R040", "R041"), Answer(_CONTEXT, None, _NOT_STATED)),
    **dict.fromkeys(("R042", "R043", "R045", "R046"), Answer(_STRONG, None, _ALL)),
    **dict.fromkeys(("R047", "R048", "R062"), Answer(_STRONG, None, _NONE)),
    "R015": Answer(_MEDIUM, None, _NOT_STATED),
    "R050": Answer(_WEAK, None, _NOT_STATED),
    "R051": Answer(_MEDIUM, None, _NOT_STATED),
    **dict.fromkeys(("R053", "R054", "R056"), Answer(_STRONG, None, _NONE)),
    "R057": Answer(_MEDIUM, "PBM", _ALL),
    "R058": Answer(_STRONG, "U", _ALL),
    "R060": Answer(_MEDIUM, "MRA", _NONE),
    "R061": Answer(_CONTEXT, None, _NONE),
}
UNSURE_MODIFIERS = ("GA",)  # states whose modifier in the shipped table is from sources other than the state
_CODE_ORDER = ("X", "M", "N", "O", "J", "K", "D", "E", "F", "MRA", "PBM", "Q", "R", "U")


@dataclass(frozen=True)
class Stated:
    """Per labeled row and rule: units in thousandths (NOT_STATED: -1), code, whether the rule decides its row."""

    units: np.ndarray
    code: list[str | None]
    decides: np.ndarray


def state(
    world: World, d: Dispenses, f: Fills, at: np.ndarray, row: np.ndarray, rules: list[str], of_entity: np.ndarray
) -> Stated:
    """The expected findings on violations.

    `at`: position of the dispense in the chunk; `row`: a `Row`, or a `Sent` for rows of an entity.
    """
    under_contract = np.isin(f.program[at], (COMMERCIAL, PARTD)) & ~of_entity
    answers = [_under_contract(ANSWERS[r]) if of else ANSWERS[r] for r, of in zip(rules, under_contract, strict=True)]
    all_units = _units_of(f, at, row, of_entity) - np.where(of_entity, 0, settled_units(d, f, at))
    surplus = _surplus(world, d, f, at)
    kind = np.array([answer.at_issue for answer in answers], dtype=np.int64)
    units = np.select(
        [kind == _ALL, kind == _NONE, kind == _SURPLUS],
        [all_units, np.zeros_like(all_units), np.minimum(surplus, all_units)],
        np.full(len(at), -1),
    )
    order = np.lexsort(
        [
            np.array(rules, dtype="U4"),
            np.array([len(_CODE_ORDER) if a.code is None else _CODE_ORDER.index(a.code) for a in answers]),
            -np.maximum(units, 0),
            np.array([a.code is None for a in answers]),
            np.array([a.grade for a in answers]) + _unsure(d, at, rules),
        ]
    )
    keys = (at * 2 + of_entity) * 16 + row
    _, first = np.unique(keys[order], return_index=True)
    decides = np.zeros(len(at), dtype=bool)
    decides[order[first]] = True
    return Stated(units, [None if of else a.code for a, of in zip(answers, of_entity, strict=True)], decides)


def _unsure(d: Dispenses, at: np.ndarray, rules: list[str]) -> np.ndarray:
    """Number of classes by which the evidence is weaker: 340B identifiers that the state itself has not published,
    unknown methods of states, states where contract pharmacies use no 340B stock, and third parties or contracts that
    the rows do not state. 340B claims of combinations come from contract pharmacies.
    """
    rule, scenario, state = np.array(rules, dtype="U4"), d.scenario[at], d.state[at]
    by_modifier = has(scenario, Twist.MODIFIER) & np.isin(state, [state_index(code) for code in UNSURE_MODIFIERS])
    method_is_known = np.array([s.method is not None for s in STATES])[state]
    carves_out = np.array([s.carves_out_contract_pharmacies for s in STATES])[state]
    is_open = has(scenario, Twist.OTHERS_UNREPORTED, Twist.SECOND_CONTRACT_UNNAMED, Twist.CONTRACT_UNNAMED)
    return (
        (np.isin(rule, ("R001", "R004")) & by_modifier)
        | ((rule == "R002") & ~method_is_known)
        | (np.isin(rule, ("R003", "R005")) & carves_out)
        | (np.isin(rule, ("R016", "R021", "R008")) & is_open)
    ).astype(np.int64)


def _under_contract(answer: Answer) -> Answer:
    """Commercial and Part D rebates have one code for everything that contracts exclude."""
    return answer if answer.code is None else replace(answer, code="PBM")


def settled_units(d: Dispenses, f: Fills, at: np.ndarray) -> np.ndarray:
    """Units of the dispense's claim that were credited or reversed after it was received."""
    units, scenario = f.units[at], d.scenario[at]
    half = 2 * (units // QUARTER_OF_UNITS)
    cases = (
        (Twist.CREDITED_AFTER, units),
        (Twist.CREDITED_PART_AFTER, half),
        (Twist.PART_TAKEN_BACK, units // PARTS_TAKEN_BACK),
    )
    return np.select([has(scenario, twist) for twist, _ in cases], [value for _, value in cases], 0)


def _units_of(f: Fills, at: np.ndarray, row: np.ndarray, of_entity: np.ndarray) -> np.ndarray:
    split = f.in_two_parts[at] & ~of_entity
    of_part = np.where(row == Row.COMPLETION, f.units[at] - f.first_part[at], f.first_part[at])
    return np.where(split, of_part, f.units[at])


def _surplus(world: World, d: Dispenses, f: Fills, at: np.ndarray) -> np.ndarray:
    """Units beyond those that were dispensed, or beyond whole units."""
    package, units, scenario = world.products.package[d.product[at]], f.units[at], d.scenario[at]
    factor = world.products.hcpcs_factor[d.product[at]]
    cases = (
        (Twist.MEASURED_EACH, units - units * 1_000 // package),
        (Twist.HALF_A_UNIT, np.full(len(at), 500)),
        (Twist.PACKAGE_BROKEN, units % package),
        (Twist.HCPCS_AS_NDC, units - units * factor // 1_000_000),
    )
    return np.select([has(scenario, twist) for twist, _ in cases], [value for _, value in cases], 0)
