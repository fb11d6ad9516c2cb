"""The description of a feature of domain part 6, declared once in `FEATURES` of the module that computes it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.contracts.codes import Subject

OWN = "the row itself"
AT_SERVICE = "date of service"
BEFORE = "4 quarters before that of service"
WHOLE_RUN = "rows of the run"


@dataclass(frozen=True)
class Feature:
    """A column of CLAIM_FACTS, INVOICE_FACTS or ENTITY_CLAIM_FACTS.

    `id`: of domain part 6. `needs`: tables and columns (`table.column`, alternatives separated by `|`) that it requires
    in addition to the subject's own feed; without them it is NULL in every row. They are also its source. `window`: the
    rows or the day that it covers.
    """

    id: str
    column: str
    formula: str
    needs: tuple[str, ...] = ()
    grain: str = "claim"
    window: str = OWN
    unit: str = "ratio"
    subject: Subject = Subject.REBATE_CLAIM


@dataclass(frozen=True)
class NotBuilt:
    """A feature, or a part of one, that the contract's tables do not allow."""

    id: str
    name: str
    why: str
