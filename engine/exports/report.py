"""The report: one self-contained HTML page."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from engine.contracts.codes import Action, Evidence, Subject
from engine.contracts.words import ACTION_WORDS, DEADLINE_WORDS, EVIDENCE_WORDS
from engine.exports.charts import BAR_HEIGHT, Chart, bar_chart, short_dollars
from engine.exports.facts import Linking, RunFacts, ledger_lines
from engine.exports.formats import EVIDENCE_COLOURS
from engine.exports.match_rates import TIER_COLOURS, match_rate_charts, match_rate_matrices
from engine.exports.plain_text import plain
from engine.exports.reasons import reason_words
from engine.exports.totals import Group, SubjectTotals, Totals
from engine.exports.waterfall import contribution_words, waterfall_chart
from engine.runtime.storage import Storage

# A narrative is a tenth as long; a page of some hundred texts opens in any browser.
_LONGEST_TEXT = 4_000


def write_report(totals: Totals, dispute_lines: int, facts: RunFacts, storage: Storage, uri: str) -> None:
    """Writes the page to `uri`. Raises OutputError."""
    storage.write_text(uri, report_page(totals, dispute_lines, facts))


def report_page(totals: Totals, dispute_lines: int, facts: RunFacts) -> str:
    """The page as text: every value escaped, nothing loaded from elsewhere."""
    environment = Environment(
        loader=PackageLoader("engine.exports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    return environment.get_template("report.html").render(
        facts=facts,
        without_price=totals.without_price,
        has_dollars=totals.has_dollars,
        figures=_figures(totals, dispute_lines),
        first=[_finding(found) for found in totals.first],
        sections=[(one.label, _charts(one, facts, totals.has_dollars)) for one in totals.with_findings],
        link_charts=[waterfall_chart(*example) for example in facts.linking.examples] if facts.linking else [],
        link_weights=_link_weights(facts.linking) if facts.linking else [],
        rate_charts=match_rate_charts(facts.linking) if facts.linking else [],
        rate_matrices=match_rate_matrices(facts.linking) if facts.linking else [],
        feed_problems=facts.linking.feed_problems if facts.linking else [],
        tiers=TIER_COLOURS,
        ledger=ledger_lines(facts.ledger),
        reason_words=reason_words,
        evidence=[(e.value, EVIDENCE_COLOURS[e.value], EVIDENCE_WORDS[e]) for e in Evidence],
        bar_height=BAR_HEIGHT,
    )


def _shown(value: Any) -> Any:
    """Text of the input bounded and without control characters; what is markup already stays."""
    return plain(value, _LONGEST_TEXT) if type(value) is str else value


def _figures(totals: Totals, dispute_lines: int) -> list[tuple[str, str]]:
    return [
        ("Findings", f"{totals.findings:,}"),
        *((f"At issue: {one.label}", _at_issue(one)) for one in totals.by_subject),
        ("With strong evidence", f"{totals.counts('evidence')[Evidence.STRONG.value]:,}"),
        ("Dispute lines drafted", f"{dispute_lines:,}"),
    ]


def _at_issue(totals: SubjectTotals) -> str:
    if not totals.whole.findings:
        return "none"
    return short_dollars(float(totals.whole.amount)) if totals.whole.priced else "no prices"


def _charts(totals: SubjectTotals, facts: RunFacts, in_dollars: bool) -> list[Chart]:
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
    return [bar_chart(title, groups, in_dollars, words) for title, groups, words in charts if groups]


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


def _finding(found: dict[str, Any]) -> dict[str, Any]:
    amount, deadline = found["amount_at_issue"], found["deadline_date"]
    return {
        "evidence": found["evidence"],
        "narrative": found["narrative"],
        "rules": ", ".join(hit["rule_id"] for hit in found["rules"]),
        "product": found["product_name"] or found["ndc11"],
        "sender": _sender(found),
        "amount": f"${amount:,.2f}" if amount is not None else "no price",
        "action": _action_words(found["action"]),
        "deadline": f"{deadline}: {DEADLINE_WORDS.get(found['deadline_kind'], '')}" if deadline else "",
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
