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
from engine.errors import counted
from engine.exports.charts import BAR_HEIGHT, Chart, bar_chart, measure, measured, short_dollars
from engine.exports.formats import EVIDENCE_COLORS
from engine.exports.match_rates import TIER_COLORS, match_rate_charts, match_rate_matrices
from engine.exports.overview import Amounts, Overview, Precision
from engine.exports.plain_text import plain
from engine.exports.reasons import reason_words
from engine.exports.redacted import suppressed
from engine.exports.totals import AGES, RULE_PERIOD, SUBJECT_WORDS, UNKNOWN, Group, SubjectTotals, Sum, Totals
from engine.exports.waterfall import contribution_words, waterfall_chart
from engine.runtime.storage import Storage
from engine.settings import ReportSettings

# Ten times the length of a narrative; a page of some hundred texts still opens in any browser.
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
    """Write the page to `uri` (see `report_page`). Raises OutputError."""
    storage.write_text(uri, report_page(totals, dispute_lines, facts, overview, settings, least_count))


def report_page(
    totals: Totals,
    dispute_lines: int,
    facts: RunFacts,
    overview: Overview | None = None,
    settings: ReportSettings | None = None,
    least_count: int | None = None,
) -> str:
    """The page as text.

    Every value is escaped and nothing is loaded. The only script, for sorting and filtering, is pinned by its hash in
    the content security policy.

    `least_count`: only for a redacted report, with `totals` of redacted findings. Findings and notes of the run are not
    listed; smaller counts are withheld, and so are counts that would reveal one.
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
        counted=counted,
        script=Markup(script),  # noqa: S704  a file of this package
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        redacted=redacted,
        least_count=least_count,
        without_price=totals.without_price,
        has_dollars=totals.has_dollars,
        figures=_figures(totals, dispute_lines, least_count),
        money=_money(totals, known, least_count),
        unplaced=known.amounts.get(None),
        first=[] if redacted else [_finding(finding, facts.as_of) for finding in totals.first[: settings.findings]],
        quarters=[_by_quarter(subject, facts, totals.has_dollars, least_count) for subject in totals.with_findings],
        aging=[
            bar_chart(subject.label, _ages(subject), totals.has_dollars, {}, least_count)
            for subject in totals.with_findings
            if "aging" in subject.groups
        ],
        precision=[_precision(by_rule, facts, least_count) for by_rule in known.precision],
        volumes=known.volumes,
        sources_compared=known.sources_compared,
        volume_change=settings.volume_change,
        feed_words=_FEED_WORDS,
        who=[
            (subject.label, charts)
            for subject in totals.with_findings
            if (charts := _who(subject, known, totals.has_dollars, settings.top, least_count))
        ],
        sections=[
            (subject.label, _charts(subject, facts, totals.has_dollars, least_count))
            for subject in totals.with_findings
        ],
        link_charts=[waterfall_chart(*example) for example in linking.examples] if linking else [],
        link_weights=_link_weights(linking) if linking else [],
        rate_charts=match_rate_charts(linking) if linking else [],
        rate_matrices=match_rate_matrices(linking) if linking and not redacted else [],
        feed_problems=linking.feed_problems if linking else [],
        tiers=TIER_COLORS,
        ledger=[] if redacted else ledger_lines(facts.ledger),
        reason_words=reason_words,
        evidence=[(e.value, EVIDENCE_COLORS[e.value], EVIDENCE_WORDS[e]) for e in Evidence],
        bar_height=BAR_HEIGHT,
    )


def _shown(value: Any) -> Any:
    """Text of the input, bounded and without control characters; markup stays."""
    return plain(value, _LONGEST_TEXT) if type(value) is str else value


def _figures(totals: Totals, dispute_lines: int, least_count: int | None) -> list[tuple[str, str]]:
    strong = totals.counts("evidence")[Evidence.STRONG.value]
    by_subject = [subject.total.findings for subject in totals.by_subject]
    return [
        ("Findings", _count(totals.findings, least_count)),
        *(
            (f"At issue: {subject.label}" if least_count is None else subject.label, _at_issue(subject, least_count))
            for subject in totals.by_subject
            if least_count is None or not any(0 < count < least_count for count in by_subject)
        ),
        ("With strong evidence", _count(strong, least_count)),
        ("Dispute lines drafted", _count(dispute_lines, least_count)),
    ]


def _count(count: int, least_count: int | None) -> str:
    return f"{count:,}" if least_count is None or not 0 < count < least_count else f"under {least_count}"


def _at_issue(totals: SubjectTotals, least_count: int | None = None) -> str:
    if not totals.total.findings:
        return "none"
    if least_count is not None:
        return counted(totals.total.findings, "finding", "findings")
    return short_dollars(float(totals.total.amount)) if totals.total.priced else "no prices"


def _money(totals: Totals, overview: Overview, least_count: int | None) -> list[dict[str, str]]:
    """Dollars by subject: at issue in this run, submitted, and recovered by the run's day."""
    lines = []
    for subject in totals.by_subject:
        sums = overview.amounts.get(subject.subject, Amounts())
        if not subject.total.findings and not sums.lines and not sums.credited_units:
            continue
        few = (
            least_count is not None
            and 0 < min(subject.total.findings or least_count, sums.lines or least_count) < least_count
        )
        lines.append(
            {
                "subject": subject.label,
                "findings": _count(subject.total.findings, least_count),
                "units": "withheld" if few else _units(subject.total.units),
                "potential": f"${subject.total.amount:,.2f}" if subject.total.priced else "",
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
    """Rules as rows, quarters as columns. cells: shown text, value, and shade (0 to 4)."""

    label: str
    quarters: tuple[str, ...]
    lines: tuple[tuple[str, str, tuple[tuple[str, float, int], ...]], ...]


def _by_quarter(totals: SubjectTotals, facts: RunFacts, in_dollars: bool, least_count: int | None) -> QuarterTable:
    by_rule: dict[str, dict[str, Sum]] = {}
    for group in totals.groups.get(RULE_PERIOD, []):
        rule, _, quarter = group.value.partition(" ")
        by_rule.setdefault(rule, {})[quarter] = group.total
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
            sums = by_rule[rule].get(quarter, Sum())
            value = measure(sums, in_dollars)
            if quarter in hidden:
                cells.append(("withheld", -1.0, 0))
            elif not sums.findings:
                cells.append(("", 0.0, 0))
            else:
                shade = 0 if most <= 0 else min(4, 1 + int(3.999 * value / most)) if value > 0 else 0
                words = measured(sums, in_dollars) if value > 0 else f"{sums.findings:,} without $"
                cells.append((words, value, shade))
        lines.append((rule, facts.rule_titles.get(rule, ""), tuple(cells)))
    return QuarterTable(totals.label, quarters, tuple(lines))


def _ages(totals: SubjectTotals) -> list[Group]:
    by_age = {group.value: group for group in totals.groups.get("aging", [])}
    return [by_age.get(age, Group(age, age)) for age in AGES]


def _precision(quality: Precision, facts: RunFacts, least_count: int | None) -> dict[str, Any]:
    low, high = quality.interval
    few = least_count is not None and (
        quality.judged < least_count
        or 0 < quality.right < least_count
        or 0 < quality.judged - quality.right < least_count
    )
    return {
        "rule": quality.rule_id,
        "title": facts.rule_titles.get(quality.rule_id, ""),
        "source": quality.source,
        "judged": "withheld" if few else f"{quality.judged:,}",
        "right": "withheld" if few else f"{quality.right:,}",
        "share": "" if few else f"{quality.share:.0%}",
        "interval": "" if few else f"{low:.0%} to {high:.0%}",
        "value": -1 if few else round(quality.share, 4),
    }


def _who(
    totals: SubjectTotals, overview: Overview, in_dollars: bool, most: int, least_count: int | None
) -> list[Chart]:
    """Charts of the covered entities, pharmacies and states with the most at issue, by name."""
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
    """Description, m, u and weight of each level, in the order of contributions."""
    lines = [
        (contribution_words({"field": "met_by", "level": block}), "", "", f"{log2_odds:+.1f}")
        for block, log2_odds in linking.learned["priors"].items()
    ]
    for field, levels in linking.learned["fields"].items():
        for level, learned in levels.items():
            words = contribution_words({"field": field, "level": level})
            lines.append((words, f"{learned['m']:.4f}", f"{learned['u']:.4f}", f"{learned['log2_weight']:+.1f}"))
    return lines


def _finding(finding: dict[str, Any], today: date) -> dict[str, Any]:
    amount, deadline = finding["amount_at_issue"], finding["deadline_date"]
    has_passed = deadline is not None and deadline < today
    words = DEADLINE_WORDS.get(finding["deadline_kind"], "")
    return {
        "evidence": finding["evidence"],
        "subject": SUBJECT_WORDS.get(finding["subject"], finding["subject"]),
        "narrative": finding["narrative"],
        "rules": ", ".join(hit["rule_id"] for hit in finding["rules"]),
        "product": finding["product_name"] or finding["ndc11"],
        "sender": _sender(finding),
        "payer": finding["payer_id"] or finding["state"] or finding["entity_id"] or "",
        "amount": f"${amount:,.2f}" if amount is not None else "no price",
        "amount_value": float(amount) if amount is not None else -1.0,
        "action": _action_words(finding["action"]),
        "deadline": deadline.isoformat() if deadline else "",
        "deadline_words": f"{'passed; it was the ' if has_passed else ''}{words}" if deadline else "",
        "deadline_value": deadline.isoformat() if deadline else "9999",
        "has_passed": has_passed,
        "finding_id": finding["finding_id"],
    }


def _sender(finding: dict[str, Any]) -> str:
    """The sender of a row: a payer or a covered entity."""
    if finding["subject"] == Subject.ENTITY_CLAIM:
        return f"340B entity {finding['entity_id']}"
    payer = finding["payer_id"] or finding["state"]
    return f"payer {payer}" if payer else ""


def _action_words(action: str | None) -> str:
    return ACTION_WORDS[Action(action)] if action in set(Action) else str(action or "")
