"""ROSI, then one PQAS after the other: their identities hold, and the differences add up to the last position."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.positions import LineFacts, Prior, is_changed, pqas_line, pqas_problems, rosi_line, rosi_problems

UNITS = st.integers(0, 200_000).map(lambda thousandths: Decimal(thousandths) / 1000)
PRICES = st.integers(0, 9_000_000).map(lambda millionths: Decimal(millionths) / 1_000_000)
# a machine under load draws slowly, which says nothing of the draws
few_seconds = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PARTS = st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))


@st.composite
def histories(draw: Callable[..., Any]) -> list[LineFacts]:
    """What is known of one line at one form after the other; units of all kinds never exceed what is invoiced."""
    invoiced, stated = draw(UNITS), draw(PRICES)
    days = []
    for corrected, parts, ours in draw(st.lists(st.tuples(UNITS, PARTS, st.none() | PRICES), min_size=1, max_size=8)):
        now = invoiced if not days else corrected
        whole = sum(parts) + 1
        credited, repaid, disputed = (
            (min(invoiced, now) * part / whole).quantize(Decimal("0.001"), rounding="ROUND_DOWN") for part in parts
        )
        days.append(LineFacts(invoiced, now, credited, repaid, disputed, stated, stated, ours))
    return days


@few_seconds
@given(histories())
def test_the_differences_add_up_to_the_last_position(days: list[LineFacts]) -> None:
    first = rosi_line(days[0])
    assert rosi_problems(first, days[0]) == []
    paid, prior = first["amount_paid"], Prior(first["units_paid"], first["units_disputed"], first["amount_paid"])
    last = first
    for facts in days[1:]:
        facts = LineFacts(**{**vars(facts), "prior": prior})
        line = pqas_line(facts)
        assert pqas_problems(line, facts) == []
        assert line["current_units"] == line["units_paid"] + line["units_disputed"]
        if not is_changed(line):
            continue  # it is on no form, and what was last reported stays
        paid += line["amount_this_time"]
        prior = Prior(line["units_paid"], line["units_disputed"], line["amount_paid"])
        last = line
    assert paid == last["amount_paid"]


@few_seconds
@given(histories())
def test_the_same_position_again_is_no_change(days: list[LineFacts]) -> None:
    facts = days[-1]
    line = pqas_line(facts)
    again = LineFacts(
        **{**vars(facts), "prior": Prior(line["units_paid"], line["units_disputed"], line["amount_paid"])}
    )
    assert not is_changed(pqas_line(again))
    assert pqas_line(again)["amount_this_time"] == 0
