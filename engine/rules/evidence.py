"""Steps on the evidence ladder (domain part 1.4), for a class that is the same on every row or a column of classes."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Evidence

EvidenceClass = Evidence | Column


def at_most(evidence: EvidenceClass, cap: Evidence) -> EvidenceClass:
    """The weaker of a class and `cap`."""
    if isinstance(evidence, Evidence):
        return min(evidence, cap, key=lambda e: e.strength)
    stronger = [e.value for e in Evidence if e.strength > cap.strength]
    return F.when(evidence.isin(*stronger), F.lit(cap.value)).otherwise(evidence) if stronger else evidence


def one_step_down(evidence: EvidenceClass) -> EvidenceClass:
    """STRONG to MEDIUM, MEDIUM to WEAK; WEAK and CONTEXT stay."""
    if isinstance(evidence, Evidence):
        return {Evidence.STRONG: Evidence.MEDIUM, Evidence.MEDIUM: Evidence.WEAK}.get(evidence, evidence)
    strong, medium, weak = Evidence.STRONG.value, Evidence.MEDIUM.value, Evidence.WEAK.value
    return F.when(evidence == strong, F.lit(medium)).when(evidence == medium, F.lit(weak)).otherwise(evidence)


def either(condition: Column, then: EvidenceClass, otherwise: EvidenceClass) -> EvidenceClass:
    """`then` where the condition holds; one class where both are the same."""
    if isinstance(then, Evidence) and then == otherwise:
        return then
    return F.when(condition, class_column(then)).otherwise(class_column(otherwise))


def class_column(evidence: EvidenceClass) -> Column:
    return F.lit(evidence.value) if isinstance(evidence, Evidence) else evidence


def is_below_medium(evidence: EvidenceClass) -> Column | bool:
    """True for WEAK and CONTEXT, which never accuse."""
    if isinstance(evidence, Evidence):
        return evidence.strength < Evidence.MEDIUM.strength
    return ~evidence.isin(Evidence.STRONG.value, Evidence.MEDIUM.value)
