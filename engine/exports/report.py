"""The report: one self-contained HTML page."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from engine.contracts.codes import Action, Evidence, Subject
from engine.contracts.run_report import Linking, RunFacts, ledger_lines
from engine.contracts.words import ACTION_WORDS, DEADLINE_WORDS, EVIDENCE_WORDS, STATE_NAMES
from engine.exports.charts import BAR_HEIGHT, Chart, bar_chart, measure, measured, short_dollars
from engine.exports.formats import EVIDENCE_COLOURS
from engine.exports.match_rates import TIER_COLOURS, match_rate_charts, match_rate_matrices
from engine.exports.overview import Amounts, Overview, Precision
from engine.exports.plain_text import plain
from engine.exports.reasons import reason_words
from engine.exports.redacted import suppressed
from engine.exports.totals import AGES, RULE_PERIOD, SUBJECT_WORDS, UNKNOWN, Group, SubjectTotals, Sum, Totals
from engine.exports.waterfall import contribution_words, waterfall_chart
from engine.runtime.storage import Storage
from engine.settings import ReportSettings

# A narrative is a tenth as long; a page of some hundred texts opens in any browser.
_LONGEST_TEXT = 4_000
_MOST_QUARTERS = 8
_FEED_WORDS = {
    "rebate_claims": "Payers' claims",
    "entity_claims": "340B claims",
    "invoices": "Invoice lines",
}


def write_report(
    totals: Totals,
    dispute_lines: int,
    facts: RunFacts,
    storage: Storage,
    uri: str,
    overview: Overview | None = None,
    settings: ReportSettings | None = None,
    least_count: int | None = None,
) -> None:
    """Writes the page to `uri` (see `report_page`). Raises OutputError."""
    storage.write_text(uri, report_page(totals, dispute_lines, facts, overview, settings, least_count))


def report_page(
    totals: Totals,
    dispute_lines: int,
    facts: RunFacts,
    overview: Overview | None = None,
    settings: ReportSettings | None = None,
    least_count: int | None = None,
) -> str:
    """The page as text: every value escaped, nothing loaded from elsewhere, one script of its own for sorting and
    filtering, which a content security policy pins by its hash.

    `least_count`: given for a redacted report: `totals` are of redacted findings; no finding and no note of the run is
    listed, smaller counts are withheld, and so are those from which one would follow.
    """
    environment = Environment(
        loader=PackageLoader("engine.exports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    known, settings = overview or Overview(), settings or ReportSettings()
    redacted = least_count is not None
    linking = facts.linking
    script = environment.loader.get_source(environment, "report.js")[0] if environment.loader else ""
    return environment.get_template(
        "report.html"
    ).render(
        facts=facts,
        script=Markup(script),  # noqa: S704  a file of this package
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        redacted=redacted,
        least_count=least_count,
        without_price=totals.without_price,
        has_dollars=totals.has_dollars,
        figures=_figures(totals, dispute_lines, least_count),
        money=_money(totals, known, least_count),
        unplaced=known.amounts.get(None),
        first=[] if redacted else [_finding(found, facts.as_of) for found in totals.first[: settings.findings]],
        quarters=[_by_quarter(one, facts, totals.has_dollars, least_count) for one in totals.with_findings],
        aging=[
            bar_chart(one.label, _ages(one), totals.has_dollars, {}, least_count)
            for one in totals.with_findings
            if "aging" in one.groups
        ],
        precision=[_precision(one, facts, least_count) for one in known.precision],
        volumes=known.volumes,
        sources_compared=known.sources_compared,
        volume_change=settings.volume_change,
        feed_words=_FEED_WORDS,
        who=[
            (one.label, charts)
            for one in totals.with_findings
            if (charts := _who(one, known, totals.has_dollars, settings.top, least_count))
        ],
        sections=[(one.label, _charts(one, facts, totals.has_dollars, least_count)) for one in totals.with_findings],
        link_charts=[waterfall_chart(*example) for example in linking.examples] if linking else [],
        link_weights=_link_weights(linking) if linking else [],
        rate_charts=match_rate_charts(linking) if linking else [],
        rate_matrices=match_rate_matrices(linking) if linking and not redacted else [],
        feed_problems=linking.feed_problems if linking else [],
        tiers=TIER_COLOURS,
        ledger=[] if redacted else ledger_lines(facts.ledger),
        reason_words=reason_words,
        evidence=[(e.value, EVIDENCE_COLOURS[e.value], EVIDENCE_WORDS[e]) for e in Evidence],
        bar_height=BAR_HEIGHT,
    )


def _shown(value: Any) -> Any:
    """Text of the input bounded and without control characters; what is markup already stays."""
    return plain(value, _LONGEST_TEXT) if type(value) is str else value


def _figures(totals: Totals, dispute_lines: int, least_count: int | None) -> list[tuple[str, str]]:
    strong = totals.counts("evidence")[Evidence.STRONG.value]
    by_subject = [one.whole.findings for one in totals.by_subject]
    return [
        ("Findings", _count(totals.findings, least_count)),
        *(
            (f"At issue: {one.label}" if least_count is None else one.label, _at_issue(one, least_count))
            for one in totals.by_subject
            if least_count is None or not any(0 < count < least_count for count in by_subject)
        ),
        ("With strong evidence", _count(strong, least_count)),
        ("Dispute lines drafted", _count(dispute_lines, least_count)),
    ]


def _count(count: int, least_count: int | None) -> str:
    return f"{count:,}" if least_count is None or not 0 < count < least_count else f"under {least_count}"


def _at_issue(totals: SubjectTotals, least_count: int | None = None) -> str:
    if not totals.whole.findings:
        return "none"
    if least_count is not None:
        return f"{totals.whole.findings:,} findings"
    return short_dollars(float(totals.whole.amount)) if totals.whole.priced else "no prices"


def _money(totals: Totals, overview: Overview, least_count: int | None) -> list[dict[str, str]]:
    """By subject what is at issue in this run, what was submitted and what came back until its day."""
    lines = []
    for one in totals.by_subject:
        sums = overview.amounts.get(one.subject, Amounts())
        if not one.whole.findings and not sums.lines and not sums.credited_units:
            continue
        few = (
            least_count is not None
            and 0 < min(one.whole.findings or least_count, sums.lines or least_count) < least_count
        )
        lines.append(
            {
                "subject": one.label,
                "findings": _count(one.whole.findings, least_count),
                "units": "withheld" if few else _units(one.whole.units),
                "potential": f"${one.whole.amount:,.2f}" if one.whole.priced else "",
                "lines": _count(sums.lines, least_count),
                "submitted_units": "withheld" if few else _units(sums.units),
                "submitted": _dollars(sums.submitted, sums.lines - sums.unpriced),
                "credited_units": "withheld" if few else _units(sums.credited_units),
                "recovered": _dollars(sums.recovered, sums.answers),
            }
        )
    return lines


def _units(units: Decimal) -> str:
    return f"{units:,.3f}".rstrip("0").rstrip(".")


def _dollars(amount: Decimal, known: int) -> str:
    return f"${amount:,.2f}" if known else ""


@dataclass(frozen=True)
class QuarterTable:
    """Rules down, quarters across. cells: what is shown, its value, and how dark it is (0 to 4)."""

    label: str
    quarters: tuple[str, ...]
    lines: tuple[tuple[str, str, tuple[tuple[str, float, int], ...]], ...]


def _by_quarter(totals: SubjectTotals, facts: RunFacts, in_dollars: bool, least_count: int | None) -> QuarterTable:
    by_rule: dict[str, dict[str, Sum]] = {}
    for group in totals.groups.get(RULE_PERIOD, []):
        rule, _, quarter = group.value.partition(" ")
        by_rule.setdefault(rule, {})[quarter] = group.whole
    quarters = tuple(sorted({quarter for of_rule in by_rule.values() for quarter in of_rule})[-_MOST_QUARTERS:])
    values = [measure(s, in_dollars) for of_rule in by_rule.values() for q, s in of_rule.items() if q in quarters]
    most = max(values, default=0.0)
    lines = []
    ordered = sorted(by_rule, key=lambda rule: (-sum(measure(s, in_dollars) for s in by_rule[rule].values()), rule))
    for rule in ordered:
        counts = {quarter: by_rule[rule].get(quarter, Sum()).findings for quarter in quarters}
        hidden = set() if least_count is None else suppressed(counts, least_count)
        cells = []
        for quarter in quarters:
            one = by_rule[rule].get(quarter, Sum())
            value = measure(one, in_dollars)
            if quarter in hidden:
                cells.append(("withheld", -1.0, 0))
            elif not one.findings:
                cells.append(("", 0.0, 0))
            else:
                shade = 0 if most <= 0 else min(4, 1 + int(3.999 * value / most)) if value > 0 else 0
                words = measured(one, in_dollars) if value > 0 else f"{one.findings:,} without $"
                cells.append((words, value, shade))
        lines.append((rule, facts.rule_titles.get(rule, ""), tuple(cells)))
    return QuarterTable(totals.label, quarters, tuple(lines))


def _ages(totals: SubjectTotals) -> list[Group]:
    by_age = {group.value: group for group in totals.groups.get("aging", [])}
    return [by_age.get(age, Group(age, age)) for age in AGES]


def _precision(one: Precision, facts: RunFacts, least_count: int | None) -> dict[str, Any]:
    low, high = one.interval
    few = least_count is not None and (
        one.judged < least_count or 0 < one.right < least_count or 0 < one.judged - one.right < least_count
    )
    return {
        "rule": one.rule_id,
        "title": facts.rule_titles.get(one.rule_id, ""),
        "source": one.source,
        "judged": "withheld" if few else f"{one.judged:,}",
        "right": "withheld" if few else f"{one.right:,}",
        "share": "" if few else f"{one.share:.0%}",
        "interval": "" if few else f"{low:.0%} to {high:.0%}",
        "value": -1 if few else round(one.share, 4),
    }


def _who(
    totals: SubjectTotals, overview: Overview, in_dollars: bool, most: int, least_count: int | None
) -> list[Chart]:
    """The covered entities, pharmacies and states with most at issue, by name."""
    charts = []
    for title, dimension in (("Covered entities", "entity"), ("Pharmacies", "pharmacy"), ("States", "state")):
        groups = [group for group in totals.greatest(dimension, most + 1) if group.value != UNKNOWN][:most]
        known = STATE_NAMES if dimension == "state" else overview.names
        names = {group.value: f"{known[group.value]} ({group.value})" for group in groups if group.value in known}
        if groups:
            charts.append(bar_chart(title, groups, in_dollars, names, least_count))
    return charts


def _charts(totals: SubjectTotals, facts: RunFacts, in_dollars: bool, least_count: int | None) -> list[Chart]:
    actions = {action.value: words for action, words in ACTION_WORDS.items()}
    rules = {rule: f"{rule} {title}" for rule, title in facts.rule_titles.items()}
    charts: tuple[tuple[str, list[Group], dict[str, str]], ...] = (
        ("By evidence", totals.by_evidence(), {}),
        ("By suggested action", totals.greatest("action", len(Action)), actions),
        ("By rule", totals.greatest("rule", 15), rules),
        ("By payer", totals.greatest("payer", 15), {}),
        ("By labeler", totals.greatest("labeler", 15), {}),
        ("By product", totals.greatest("product", 15), {}),
        ("By program", totals.greatest("program", 10), {}),
        ("By period covered", totals.latest("period", 20), {}),
    )
    return [bar_chart(title, groups, in_dollars, words, least_count) for title, groups, words in charts if groups]


def _link_weights(linking: Linking) -> list[tuple[str, str, str, str]]:
    """What it says, m, u and weight, in the order in which contributions come."""
    lines = [
        (contribution_words({"field": "met_by", "level": block}), "", "", f"{log2_odds:+.1f}")
        for block, log2_odds in linking.learned["priors"].items()
    ]
    for field, levels in linking.learned["fields"].items():
        for level, one in levels.items():
            words = contribution_words({"field": field, "level": level})
            lines.append((words, f"{one['m']:.4f}", f"{one['u']:.4f}", f"{one['log2_weight']:+.1f}"))
    return lines


def _finding(found: dict[str, Any], today: date) -> dict[str, Any]:
    amount, deadline = found["amount_at_issue"], found["deadline_date"]
    has_passed = deadline is not None and deadline < today
    words = DEADLINE_WORDS.get(found["deadline_kind"], "")
    return {
        "evidence": found["evidence"],
        "subject": SUBJECT_WORDS.get(found["subject"], found["subject"]),
        "narrative": found["narrative"],
        "rules": ", ".join(hit["rule_id"] for hit in found["rules"]),
        "product": found["product_name"] or found["ndc11"],
        "sender": _sender(found),
        "payer": found["payer_id"] or found["state"] or found["entity_id"] or "",
        "amount": f"${amount:,.2f}" if amount is not None else "no price",
        "amount_value": float(amount) if amount is not None else -1.0,
        "action": _action_words(found["action"]),
        "deadline": deadline.isoformat() if deadline else "",
        "deadline_words": f"{'passed; it was the ' if has_passed else ''}{words}" if deadline else "",
        "deadline_value": deadline.isoformat() if deadline else "9999",
        "has_passed": has_passed,
        "finding_id": found["finding_id"],
    }


def _sender(found: dict[str, Any]) -> str:
    """Whose row it is: a payer's, or a covered entity's."""
    if found["subject"] == Subject.ENTITY_CLAIM:
        return f"340B entity {found['entity_id']}"
    payer = found["payer_id"] or found["state"]
    return f"payer {payer}" if payer else ""


def _action_words(action: str | None) -> str:
    return ACTION_WORDS[Action(action)] if action in set(Action) else str(action or "")
