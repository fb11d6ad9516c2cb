"""The generated page of features, from the declarations in their modules."""

from __future__ import annotations

from engine.contracts.codes import Subject
from engine.facts.availability import FEATURES, NOT_BUILT
from engine.facts.feature import Feature

_OPENING = """\
# Features

Made by `python -m docs_pages` from the declarations in the modules of `engine/facts/`. NULL means unknown: a table
or column that a feature needs and the input lacks makes it NULL, and `features_off` of the run's summary lists it.

No feature sees a row received after `--as-of`, a later answer to a finding, or its own claim's label: quarters of a
window end before the quarter of service, other windows hold strictly earlier dates of service, and references are those
in force at the date of service, `[start, end)`. What is usual among peers (z) is computed from the rows of the run
(decision 3). The entity in question is the one whose 340B claim was linked, else the one that the exclusion file lists.

| id | column | formula | grain | window | unit | needs |
|---|---|---|---|---|---|---|
"""
_SUBJECTS = {Subject.REBATE_CLAIM: "claims", Subject.INVOICE: "invoices", Subject.ENTITY_CLAIM: "340B claims"}


def features_page() -> str:
    """Markdown: one row per feature of domain part 6; a feature that is not built has its reason."""
    rows = [(feature.id, _row(feature)) for feature in FEATURES]
    rows += [(each.id, [each.id, "not built", f"{each.name}: {each.why}", "", "", "", ""]) for each in NOT_BUILT]
    in_order = sorted(rows, key=lambda row: row[0])
    return _OPENING + "".join(f"| {' | '.join(cells)} |\n" for _, cells in in_order)


def _row(feature: Feature) -> list[str]:
    return [
        feature.id,
        f"`{feature.column}`",
        f"{_SUBJECTS[feature.subject]}: {feature.formula}",
        feature.grain,
        feature.window,
        feature.unit,
        ", ".join(need.replace("|", " or ") for need in feature.needs) or "the feed alone",
    ]
