"""Steps on the evidence ladder (domain part 1.4).

A class that is the same on every row is an `Evidence`; a class that depends on the row is a column with its strength,
an integer from 1 (CONTEXT) to 4 (STRONG). Each step uses its input column only once, because a chain of steps that
repeat it would grow exponentially.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Evidence

EvidenceClass = Evidence | Column

_WEAKEST_FIRST = sorted(Evidence, key=lambda evidence: evidence.strength)
_ONE_STEP_DOWN = {Evidence.STRONG: Evidence.MEDIUM, Evidence.MEDIUM: Evidence.WEAK}


def strength(evidence: EvidenceClass) -> Column:
    """The strength of a class as a number that grows with it; a column is passed on."""
    return F.lit(evidence.strength) if isinstance(evidence, Evidence) else evidence


def class_name(evidence: EvidenceClass) -> Column:
    """The name of the class; NULL if the strength is NULL."""
    if isinstance(evidence, Evidence):
        return F.lit(evidence.value)
    return F.get(_array(known.value for known in _WEAKEST_FIRST), evidence - 1)


def either(condition: Column, then: Evidence, otherwise: Evidence) -> EvidenceClass:
    """`then` if the condition holds, else `otherwise`; a constant class if both are equal."""
    if then == otherwise:
        return then
    return F.when(condition, strength(then)).otherwise(strength(otherwise))


def at_most(evidence: EvidenceClass, cap: Evidence, where: Column) -> EvidenceClass:
    """The weaker of a class and `cap` if the condition `where` holds; NULL counts as false."""
    if isinstance(evidence, Evidence) and evidence.strength <= cap.strength:
        return evidence
    # `least` ignores NULL
    return F.least(strength(evidence), F.when(where, F.lit(cap.strength)))


def one_step_down(evidence: EvidenceClass, where: Column) -> EvidenceClass:
    """STRONG to MEDIUM and MEDIUM to WEAK if the condition `where` holds; WEAK and CONTEXT stay. NULL counts as
    false.
    """
    if isinstance(evidence, Evidence):
        return either(where, _ONE_STEP_DOWN.get(evidence, evidence), evidence)
    lower = _array(_ONE_STEP_DOWN.get(known, known).strength for known in _WEAKEST_FIRST)
    same = _array(known.strength for known in _WEAKEST_FIRST)
    return F.get(F.when(where, lower).otherwise(same), evidence - 1)


def is_below_medium(evidence: EvidenceClass) -> Column | bool:
    """True for WEAK and CONTEXT, which never accuse."""
    if isinstance(evidence, Evidence):
        return evidence.strength < Evidence.MEDIUM.strength
    return evidence < Evidence.MEDIUM.strength


def _array(values: Iterable[str | int]) -> Column:
    return F.array(*map(F.lit, values))
