"""The description of a feature of domain part 6, declared once in `FEATURES` of the module that computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import types as T

from engine.contracts.codes import Subject

OWN = "the row itself"
AT_SERVICE = "date of service"
BEFORE = "4 quarters before that of service"
WHOLE_RUN = "rows of the run"


@dataclass(frozen=True)
class Feature:
    """A column of the facts on a subject.

    `id`: of domain part 6. `needs`: tables and columns (`table.column`, alternatives separated by `|`) that it requires
    in addition to the subject's own feed; without them it is NULL in every row. They are also its source. `window`: the
    rows or the day that it covers.

    `value`: its formula over the claim and its references, if it reads no other row. `kind`: its type, if no rule,
    model or other package reads it: it is then a column of flagged claims alone, and in no contract.
    """

    id: str
    column: str
    formula: str
    needs: tuple[str, ...] = ()
    grain: str = "claim"
    window: str = OWN
    unit: str = "ratio"
    subject: Subject = Subject.REBATE_CLAIM
    kind: T.DataType | None = None
    value: Callable[[], Column] | None = None


@dataclass(frozen=True)
class NotBuilt:
    """A feature, or a part of one, that the contract's tables do not allow."""

    id: str
    name: str
    why: str
