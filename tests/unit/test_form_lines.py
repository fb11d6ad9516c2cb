"""What ROSI and PQAS are filled from, and which of them a line is on."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from engine import positions
from engine.errors import ConfigurationError, OutputError
from engine.pipeline.entity_shares import blanket_disputes
from engine.pipeline.finalizing import _check_codes, _check_forms, _without_form
from engine.pipeline.forms import Disputed, FormKey, MadeForm, filled_forms
from engine.positions import Prior
from engine.settings import DisputeSettings
from tests.unit.facts_rows import claim, claims, invoice, invoices, reference
from tests.unit.positions_rows import decisions, findings

AS_OF = date(2026, 4, 1)
KEY = {"program": "MDRP_FFS", "state": "GA", "ndc": "00002000101", "period": "2025Q3"}


def line(number: str, units: Any, **more: Any) -> dict[str, Any]:
    usual = {"program": "MDRP_FFS", "state": "GA", "ndc11": "00002000101", "period": "2025Q3", "rebate_type": None}
    usual |= {"sub_program": "XIX", "invoice_number": "I3", "line_kind": "CURRENT", "source_kind": "INVOICE"}
    usual |= {"unit_rebate_amount": "2.5", "rebate_amount": None, "product_name": "ONE", "received_date": "2025-11-20"}
    return invoice(number, **(usual | {"units_reimbursed": units} | more))


def settled(kind: str, units: Any, day: str = "2025-12-20", **more: Any) -> dict[str, Any]:
    return {
        **{("ndc11" if name == "ndc" else name): value for name, value in KEY.items()},
        "kind": kind,
        "units": units,
        "settled_on": day,
        **more,
    }


INVOICES = [
    line("now XIX", 70),
    line("now EXPANSION", 30, sub_program="EXPANSION"),
    line("now supplemental", 100, rebate_type="SUPPLEMENTAL", unit_rebate_amount="0.25"),
    line("other labeler", 10, ndc11="50242004062"),
    line("before", 80, period="2025Q2", invoice_number="I2", received_date="2025-08-20"),
    line("before, sent again", 90, period="2025Q2", invoice_number="I2-B", received_date="2025-08-25"),
    line("before, corrected", -10, period="2025Q2", invoice_number="I3", line_kind="PRIOR_DELTA"),
    line("never paid", 40, period="2025Q1", invoice_number="I1", received_date="2025-05-20"),
    line("public data", 5000, period="2025Q4", source_kind="SDUD"),
]
SETTLEMENTS = [
    settled("PAID", 80, "2025-09-15", period="2025Q2", amount="200.00"),
    settled("PAID", 5, "2025-09-16", period="2025Q2"),
    settled("DISPUTED", 10, "2025-09-15", period="2025Q2", code="Q"),
    settled("RELEASED", 4, "2025-10-15", period="2025Q2"),
    settled("STATE_CREDIT", 7, claim_id="A"),
    settled("ENTITY_REPAID", 3, claim_id="A"),
    settled("DISPUTED", 2, "2025-12-22", claim_id="A", code="X"),
]
PRICES = [
    {"ndc11": "00002000101", "period": "2025Q2", "unit_rebate_amount": "2.40", "snapshot_date": "2025-08-01"},
    {"ndc11": "00002000101", "period": "2025Q2", "unit_rebate_amount": "2.60", "snapshot_date": "2025-11-01"},
]


def rows_of(spark: SparkSession, settlements: list[dict[str, Any]] | tuple[Any, ...] = SETTLEMENTS) -> DataFrame:
    lines = positions.invoice_lines(invoices(spark, INVOICES))
    live = claims(
        spark,
        [
            claim("a", claim_id="A", claim_line=1, ndc_units="60", state="GA", period="2025Q3", sub_program="XIX"),
            claim(
                "b", claim_id="B", claim_line=1, ndc_units="30", state="GA", period="2025Q3", sub_program="EXPANSION"
            ),
        ],
    )
    claimed = positions.claim_lines(live)
    decided = {"finding_id": "f", "decided_at": datetime(2026, 1, 5, tzinfo=UTC), "decided_by": "Ann", "units": "11"}
    found = [{"finding_id": "f", "subject": "REBATE_CLAIM", "source_row_id": "b", "dispute_code": "M"}]
    events = positions.decision_events(
        decisions(spark, [decided | {"decision": "DISPUTE"}]), findings(spark, found), live, None, AS_OF
    )
    if settlements:
        of_settlements = reference(spark, "settlements", *settlements)
        events = events.unionByName(positions.settlement_events(of_settlements, claimed, lines, AS_OF))
    ledger = positions.LedgerInput(claimed, lines, events)
    booked, _ = positions.entries_of(ledger, positions.accounts_in_sequence(ledger))
    every = reference(spark, "prices", *PRICES)
    made = positions.form_lines(
        lines,
        invoices(spark, INVOICES),
        booked,
        events,
        (every, every),
        reference(spark, "products", {"ndc11": "00002000101", "labeler_name": "Example Inc", "product_name": "OURS"}),
        spark.createDataFrame([], positions.FORMS_SENT),
    )
    return spark.createDataFrame(made.collect(), made.schema)


@pytest.fixture(scope="module")
def form_lines(spark: SparkSession) -> DataFrame:
    return rows_of(spark)


@pytest.fixture(scope="module")
def by_key(form_lines: DataFrame) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {
        (row["ndc11"][:5], row["period"], row["rebate_type"]): row.asDict(recursive=True)
        for row in form_lines.collect()
    }


def test_public_data_are_no_form_lines(by_key: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    assert sorted(by_key) == [
        ("00002", "2025Q1", "FEDERAL"),
        ("00002", "2025Q2", "FEDERAL"),
        ("00002", "2025Q3", "FEDERAL"),
        ("00002", "2025Q3", "SUPPLEMENTAL"),
        ("50242", "2025Q3", "FEDERAL"),
    ]


def test_sub_programs_are_added_up(by_key: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    now = by_key["00002", "2025Q3", "FEDERAL"]
    assert (now["units_current"], now["units_original"], now["units"]) == (100, 100, 100)
    assert (now["labeler_name"], now["product_name"], now["invoice_number"]) == ("Example Inc", "ONE", "I3")


def test_the_first_invoice_is_the_original_and_corrections_count_in_the_units_now(
    by_key: dict[tuple[str, str, str], dict[str, Any]],
) -> None:
    before = by_key["00002", "2025Q2", "FEDERAL"]
    assert (before["units_original"], before["units_current"], before["units"]) == (80, 90, 80)
    assert before["invoice_number"] == "I2"
    assert (before["is_current"], by_key["00002", "2025Q3", "FEDERAL"]["is_current"]) == (False, True)


def test_original_and_current_price_are_of_the_first_and_the_latest_snapshot(
    by_key: dict[tuple[str, str, str], dict[str, Any]],
) -> None:
    before = by_key["00002", "2025Q2", "FEDERAL"]
    assert (before["ura_original"], before["ura_current"]) == (Decimal("2.4"), Decimal("2.6"))
    # ours is the federal amount
    assert by_key["00002", "2025Q3", "SUPPLEMENTAL"]["ura_current"] is None


def test_what_was_paid_comes_from_settlements(by_key: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    before = by_key["00002", "2025Q2", "FEDERAL"]
    # 80 for 200.00, and 5 without an amount at the original 2.40
    assert (before["settled_units_paid"], before["settled_amount_paid"]) == (85, Decimal("212.00"))
    assert before["settled_units_disputed"] == 6
    # nothing says that these invoices were paid
    assert by_key["00002", "2025Q1", "FEDERAL"]["settled_units_paid"] is None
    assert by_key["00002", "2025Q3", "FEDERAL"]["settled_units_paid"] is None


def test_credits_repayments_and_disputes_are_apart(by_key: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    now = by_key["00002", "2025Q3", "FEDERAL"]
    assert (now["units_credited"], now["units_repaid"]) == (7, 3)
    parts = [(part["code"], part["finding_id"], part["is_settled"], part["units"]) for part in now["disputed"]]
    assert sorted(parts, key=str) == [("M", "f", False, 11), ("X", None, True, 2)]


def made(
    form_lines: DataFrame,
    disputes: dict[FormKey, Disputed] | None = None,
    sent: dict[tuple[str, ...], Prior] | None = None,
    is_draft: bool = True,
    **settings: Any,
) -> dict[tuple[str, str, str, str], MadeForm]:
    chosen = DisputeSettings.model_validate(settings)
    forms = list(filled_forms(form_lines, disputes or {}, sent, chosen, AS_OF, is_draft))
    return {(one.form.form.value, one.form.rebate_type, one.form.labeler_code, one.form.period): one for one in forms}


def test_drafts_hold_decided_units_and_supplemental_lines_need_no_form_without_a_dispute(form_lines: DataFrame) -> None:
    forms = made(form_lines)
    rosi = ("ROSI", "FEDERAL", "00002", "2025Q3")
    assert set(forms) == {rosi, ("PQAS", "FEDERAL", "00002", "2025Q2")}
    (of_invoice,) = forms[rosi].form.lines
    # 100 - 7 credited - 2 disputed by a settlement - 11 by a decision; 3 repaid by the entity are paid
    assert (of_invoice["units_disputed"], of_invoice["units_paid"]) == (13, 80)
    assert (of_invoice["dispute_codes"], of_invoice["adjustment_codes"]) == ("X, M", "C")
    assert forms[rosi].problems == []


def test_final_forms_take_decided_units_from_the_lines_that_are_sent(form_lines: DataFrame) -> None:
    key = FormKey("MDRP_FFS", "GA", "FEDERAL", "00002000101", "2025Q3")
    nothing = made(form_lines, is_draft=False)
    assert nothing["ROSI", "FEDERAL", "00002", "2025Q3"].form.lines[0]["units_disputed"] == 2
    sent = {key: Disputed(claims={"f": (Decimal(11), ["M", "R"])}, adjustments={"I"})}
    forms = made(form_lines, sent, is_draft=False)
    (of_invoice,) = forms["ROSI", "FEDERAL", "00002", "2025Q3"].form.lines
    assert (of_invoice["units_disputed"], of_invoice["dispute_codes"]) == (13, "X, M, R")
    assert of_invoice["adjustment_codes"] == "C, I"


def test_supplemental_rebates_have_a_form_of_their_own(form_lines: DataFrame) -> None:
    key = FormKey("MDRP_FFS", "GA", "SUPPLEMENTAL", "00002000101", "2025Q3")
    forms = made(form_lines, {key: Disputed(claims={"s": (Decimal(30), ["X"])})})
    one = forms["ROSI", "SUPPLEMENTAL", "00002", "2025Q3"].form
    assert "supplemental" in one.title
    assert [(row["units_paid"], row["amount_paid"]) for row in one.lines] == [(70, Decimal("17.50"))]


def test_a_finding_on_the_whole_line_disputes_what_no_claim_does(form_lines: DataFrame) -> None:
    key = FormKey("MDRP_FFS", "GA", "FEDERAL", "00002000101", "2025Q3")
    disputed = Disputed(claims={"f": (Decimal(11), ["M"])}, whole_line={"n": (Decimal(100), ["N"])})
    (of_invoice,) = made(form_lines, {key: disputed}, is_draft=False)["ROSI", "FEDERAL", "00002", "2025Q3"].form.lines
    # 100 less 7 credited and 3 repaid
    assert (of_invoice["units_disputed"], of_invoice["dispute_codes"]) == (90, "X, M, N")


def test_claims_beyond_the_invoice_are_cut_in_drafts_and_a_problem_in_final_forms(form_lines: DataFrame) -> None:
    key = FormKey("MDRP_FFS", "GA", "FEDERAL", "00002000101", "2025Q3")
    beyond = {key: Disputed(claims={"x": (Decimal(500), ["X"])})}
    draft = made(form_lines, beyond)["ROSI", "FEDERAL", "00002", "2025Q3"]
    assert (draft.form.lines[0]["units_disputed"], draft.problems) == (90, [])
    final = made(form_lines, beyond, is_draft=False)["ROSI", "FEDERAL", "00002", "2025Q3"]
    with pytest.raises(OutputError, match=r"502.* are more than the 90") as stopped:
        _check_forms([final])
    assert len(stopped.value.problems) == 1
    assert "ROSI of GA, 2025Q3, invoice I3" in str(stopped.value)


def test_an_invoice_that_a_rosi_answered_gets_a_pqas_of_what_changed_since(form_lines: DataFrame) -> None:
    key = ("GA", "MDRP_FFS", "FEDERAL", "00002000101", "2025Q3")
    reported = {key: Prior(Decimal(93), Decimal(0), Decimal("232.50"))}
    forms = made(form_lines, sent=reported, is_draft=False)
    assert ("ROSI", "FEDERAL", "00002", "2025Q3") not in forms
    (changed,) = forms["PQAS", "FEDERAL", "00002", "2025Q3"].form.lines
    assert (changed["prior_units_paid"], changed["units_paid"], changed["units_disputed"]) == (93, 91, 2)
    assert changed["amount_this_time"] == Decimal("-5.00")
    same = {key: Prior(Decimal(91), Decimal(2), Decimal("227.50"))}
    assert ("PQAS", "FEDERAL", "00002", "2025Q3") not in made(form_lines, sent=same, is_draft=False)


def test_without_settlements_there_is_no_pqas(spark: SparkSession) -> None:
    assert {form for form, *_ in made(rows_of(spark, ()))} == {"ROSI"}


def test_header_and_footer_come_from_the_settings(form_lines: DataFrame) -> None:
    forms = made(form_lines, contact={"name": "J. Doe"}, interest={"GA/2025Q2": "1.25"})
    pqas = forms["PQAS", "FEDERAL", "00002", "2025Q2"].form
    header = dict(pqas.header)
    assert (header["Labeler contact"], header["Phone"], header["Period covered (QYYYY)"]) == ("J. Doe", "", "22025")
    assert pqas.remitted == pqas.total("amount_this_time") + Decimal("1.25")
    assert forms["ROSI", "FEDERAL", "00002", "2025Q3"].form.interest is None


def test_a_code_that_is_not_verified_stops_the_export_with_one_message() -> None:
    rows = [{"held_back": why} for why in ("code not verified: T", "code not verified: T", None, "sent before")]
    with pytest.raises(ConfigurationError, match=r"T \(2 lines\)") as stopped:
        _check_codes(rows, "conf/reference")
    assert len(stopped.value.problems) == 1
    _check_codes(rows[2:], "conf/reference")


def test_lines_that_are_sent_and_are_on_no_form_are_named(form_lines: DataFrame) -> None:
    def ready(**more: Any) -> dict[str, Any]:
        usual = {"program": "MDRP_FFS", "state": "GA", "recipient": "GA", "rebate_type": None, "route": "STATE"}
        return usual | {"ndc11": "00002000101", "period": "2025Q3"} | more

    forms = list(made(form_lines).values())
    assert _without_form([ready(), ready(route="PBM", period="2024Q1")], forms) == []
    (warning,) = _without_form([ready(), ready(period="2025Q1"), ready(period="2025Q1", ndc11="00002000102")], forms)
    assert warning.startswith("2 lines to GA for 2025Q1 are on no form")


def test_most_of_one_entitys_claims_in_dispute_warns() -> None:
    settings = DisputeSettings.model_validate({"most_of_entity": 0.5, "blanket_claims": 10})
    claims = {"all": 12, "half": 20, "more": 21, "few": 4}
    disputed = {"all": 12, "half": 10, "more": 11, "few": 4, "unknown": 30}
    warned = blanket_disputes(disputed, claims, settings)
    assert [warning.split("entity ")[1].split()[0] for warning in warned] == ["all", "more"]
    assert "11 of 21 claims" in warned[1]
