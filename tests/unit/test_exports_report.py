"""The report: one page that needs nothing else and says no more than it should."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from engine.contracts.codes import Reason, Subject
from engine.contracts.facts import CLAIM_FEATURES, CLAIM_MEASURES, FEATURE_WORDS, INVOICE_FEATURES, INVOICE_MEASURES
from engine.contracts.match_rates import FeedProblem, MatchRate, Side
from engine.contracts.words import REASON_WORDS
from engine.exports import Linking, charts, report
from engine.exports.overview import Overview, Volume
from engine.exports.report import report_page
from engine.exports.totals import Group, SubjectTotals, Sum, Totals
from tests.unit.exports_rows import FACTS, finding


class _Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "rect", "link", "img", "br", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"rect"}:
            return
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _group(value: str, strong: str, weak: str = "0", label: str | None = None) -> Group:
    parts = {"STRONG": Sum(2, 2, Decimal(60), Decimal(strong)), "WEAK": Sum(1, 1, Decimal(9), Decimal(weak))}
    group = Group(value, label or value, by_evidence=parts)
    for part in parts.values():
        group.total.add(part)
    return group


def _part(field: str, level: str, weight: float) -> dict[str, Any]:
    return {"field": field, "level": level, "weight": weight}


def _totals(scale: str = "1", **first: Any) -> Totals:
    def amount(text: str) -> str:
        return str(Decimal(text) * Decimal(scale))

    groups = {name: [_group(f"{name} 1", amount("900"), amount("100"))] for name in ("action", "labeler", "program")}
    groups |= {
        "evidence": [_group("STRONG", amount("1500.25"))],
        "rule": [_group("R001", amount("900")), _group("R022", amount("600.25"))],
        "payer": [_group("KY", amount("100")), _group("AK", amount("1400.25"))],
        "product": [_group("00002759701", amount("5"), label='<script>alert("1")</script>')],
        "period": [_group("2025Q4", amount("3")), _group("2025Q3", amount("4"))],
    }
    whole = Sum(3, 2, Decimal(69), Decimal(amount("1500.25")))
    claims = SubjectTotals(Subject.REBATE_CLAIM, whole, groups)
    # the same units, on their invoice line; no 340B claims
    line = Sum(1, 1, Decimal(60), Decimal(amount("600.25")))
    evidence = Group("STRONG", "STRONG", line, {"STRONG": line})
    lines = SubjectTotals(Subject.INVOICE, line, {"evidence": [evidence], "payer": [evidence]})
    none = SubjectTotals(Subject.ENTITY_CLAIM, Sum(), {})
    return Totals((claims, lines, none), [finding(1) | first, finding(2)])


def test_the_page_is_whole_and_loads_nothing() -> None:
    page = report_page(_totals(), 60, FACTS)
    parsed = _Page(page)
    assert parsed.open == []
    names = [tag for tag, _ in parsed.tags]
    assert names[0] == "html"
    assert not {"link", "img", "iframe", "object"} & set(names)
    # one script, the same on every page, which the page's policy names by its hash: nothing of the data can run
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script == (Path(report.__file__).parent / "templates" / "report.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page
    for _, attributes in parsed.tags:
        assert not {"src", "href", "onload", "onclick"} & set(attributes)
    addresses = re.findall(r"https?://[^\"' ]+", page)
    assert set(addresses) == {"http://www.w3.org/2000/svg"}
    assert "url(" not in page
    assert "@import" not in page


def test_what_comes_from_the_data_is_escaped() -> None:
    hostile = "<img src=x onerror=alert(1)>&\"'"
    page = report_page(_totals(narrative=hostile, product_name=hostile, payer_id=hostile), 60, FACTS)
    assert "<img" not in page
    assert page.count("<script") == 1
    assert hostile in "".join(_Page(page).text)


def test_it_says_what_was_found_what_comes_first_and_what_was_off() -> None:
    parsed = _Page(report_page(_totals(), 60, FACTS))
    text = " ".join(" ".join(parsed.text).split())
    for words in (
        "2026-03-01",
        "claim-anomalies, version 3",
        "$1.5 k At issue: Claims",
        "$600 At issue: Invoice lines",
        "none At issue: 340B claims",
        "overlap: one unit may be at issue in each of them",
        finding(1)["narrative"],
        finding(1)["finding_id"],
        "R022 Terminated more than a year before",
        "rebate_claims",
        "99,903",
        "canceled by a void",
        "column prices.mfp_unit is missing",
        "340B status was assumed for 300 entity claims",
        "prepare 14.8",
        "1 finding has no dollar amount",
    ):
        assert words in text, words
    assert text.index(finding(1)["narrative"]) < text.index(finding(2)["narrative"])


def test_a_340b_claim_is_named_by_its_entity() -> None:
    of_entity = {"subject": "ENTITY_CLAIM", "payer_id": None, "state": None, "entity_id": "DSH010023"}
    text = " ".join(_Page(report_page(_totals(**of_entity), 60, FACTS)).text)
    assert ", 340B entity DSH010023" in text
    assert f", payer {finding(2)['payer_id']}" in text


def test_charts_can_be_read_without_seeing_them() -> None:
    parsed = _Page(report_page(_totals(), 60, FACTS))
    pictures = [attributes for tag, attributes in parsed.tags if tag == "svg"]
    assert len(pictures) == 8 + 2  # of claims, and of invoice lines, which have no other groups here
    assert all(picture["role"] == "img" for picture in pictures)
    by_payer = next(picture["aria-label"] for picture in pictures if picture["aria-label"].startswith("By payer"))
    assert by_payer == "By payer: AK: $1.4 k; KY: $100"
    by_period = next(picture["aria-label"] for picture in pictures if picture["aria-label"].startswith("By period"))
    assert by_period == "By period covered: 2025Q3: $4; 2025Q4: $3"


def test_it_shows_how_links_were_scored_without_saying_of_whom() -> None:
    one = [_part("met_by", "PRESCRIPTION", 5.0), _part("bin", "DIFFERENT", -2.5)]
    learned = {
        "priors": {"PRESCRIPTION": 5.0},
        "fields": {"bin": {"DIFFERENT": {"m": 0.15, "u": 0.85, "log2_weight": -2.5}}},
        "fill_offsets": {"payers": {"KY": 1}, "entities": {"DSH100001": 1}},
    }
    page = report_page(_totals(), 60, replace(FACTS, linking=Linking(learned, [("A typical exact link (T1)", one)])))
    parsed = _Page(page)
    assert parsed.open == []
    words = "A typical exact link (T1): matched by: pharmacy and prescription: +5.0; BIN: different: -2.5; score: +2.5"
    assert words in {attributes.get("aria-label") for _, attributes in parsed.tags}
    cells = [text.strip() for text in parsed.text if text.strip()]
    place = cells.index("0.1500") - 1
    assert cells[place : place + 4] == ["BIN: different", "0.1500", "0.8500", "-2.5"]
    assert "DSH100001" not in page
    assert "How a link is scored" not in report_page(_totals(), 60, FACTS)


def test_it_shows_match_rates_by_month_and_source_and_marks_what_fell_off() -> None:
    may, june = date(2025, 5, 1), date(2025, 6, 1)
    rates = [
        MatchRate(Side.ENTITY, None, "CE<1>", may, 10, {"T2": 5}),
        MatchRate(Side.PAYER, "MFP", "MTF", may, 200, {"T1": 80, "T3": 20}),
        MatchRate(Side.PAYER, "MFP", "MTF", june, 100, {"T1": 10}),
        *(MatchRate(Side.PAYER, "MDRP_FFS", f"S{n}", may, 300, {}) for n in range(15)),
    ]
    problem = FeedProblem(Side.PAYER, "MFP", "MTF", june, 100, 10, 0.5, is_of_strong_tiers=False)
    page = report_page(
        _totals(), 1, replace(FACTS, linking=Linking({"priors": {}, "fields": {}}, (), rates, [problem]))
    )
    text = "".join(_Page(page).text)
    assert problem.message in text
    assert "CE<1>" in text
    assert "1 smaller source is not shown" in text
    assert re.search(r'<td class="number" title="100 of 200 claims: T1 80, T3 20">50.0%</td>', page)
    assert re.search(r'<td class="number problem" title="10 of 100 claims: T1 10">10.0% ▼</td>', page)
    assert "2025-05: 2.1%; 2025-06: 10.0%" in page


def test_without_prices_it_counts_and_says_so() -> None:
    page = report_page(_totals("0"), 0, FACTS)
    assert "No prices were given" in page
    assert "by number of findings" in page
    assert 'aria-label="By payer: AK: 3; KY: 3"' in page


@pytest.mark.parametrize("least_count", [None, 1])
def test_a_count_of_one_agrees_with_its_noun(least_count: int | None) -> None:
    may = date(2025, 5, 1)
    one = Sum(1, 1, Decimal(1), Decimal(5))
    groups = {
        name: [Group("A", "A", one, {"STRONG": one})] for name in ("evidence", "rule", "payer", "period", "aging")
    }
    claims = SubjectTotals(Subject.REBATE_CLAIM, one, groups)
    unpriced = SubjectTotals(Subject.INVOICE, Sum(1, 0, Decimal(1)), {})
    rate = MatchRate(Side.PAYER, "MFP", "MTF", may, 1, {"T1": 1})
    page = report_page(
        Totals((claims, unpriced), [finding(1)]),
        1,
        replace(FACTS, linking=Linking({"priors": {}, "fields": {}}, (), [rate], [])),
        Overview(volumes=[Volume("invoices", "AK", "2025Q3", 1, 2.0)], sources_compared=1),
        least_count=least_count,
    )
    parsed = _Page(page)
    texts = [*parsed.text, *(value or "" for _, attributes in parsed.tags for value in attributes.values())]
    assert [text for text in texts if re.search(r"(?<![\d.,])\b1 [a-z]+s\b", text)] == []
    assert "1 of 1 claim" in page


def test_bars_are_in_proportion() -> None:
    chart = charts.bar_chart("t", [_group("a", "300", "100"), _group("b", "100", "-5")], in_dollars=True)
    first, second = chart.bars
    assert [part.color for part in first.segments] == ["#1F4E79", "#BDD7EE"]
    assert first.segments[1].x == first.segments[0].x + first.segments[0].width
    assert abs(first.segments[0].width / second.segments[0].width - 3) < 0.01
    assert len(second.segments) == 1
    assert charts.bar_chart("t", [], in_dollars=True).bars == ()
    assert [charts.short_dollars(a) for a in (0, 950, 12_340, 4_561_000, 1.2e9, -2500)] == [
        "$0",
        "$950",
        "$12.3 k",
        "$4.56 M",
        "$1.20 B",
        "-$2.5 k",
    ]


def test_every_feature_and_ledger_reason_has_words() -> None:
    of_groups = {"group_claims", "group_product_claims", "group_far_claims"}
    of_rows = {*CLAIM_FEATURES, *CLAIM_MEASURES, *INVOICE_FEATURES, *INVOICE_MEASURES}
    assert set(FEATURE_WORDS) == of_rows | of_groups
    assert set(REASON_WORDS) == set(Reason)
