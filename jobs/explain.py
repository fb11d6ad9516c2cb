"""Explains why a row was flagged or not: the parts of its link's score, and the result of each rule."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.redaction import masked
from jobs.common import DEFAULT_CONFIG, Config, Engine, Input, Output, Set, main, session_of, settings_of

if TYPE_CHECKING:
    from engine.pipeline import Explained

_MOST_SHOWN = 20
_ANSWER_WORDS = {"FIRED": "fired", "SUPPRESSED": "suppressed by a guard", "NOT_MET": "not met", "OFF": "off"}
_ANSWERS = list(_ANSWER_WORDS)
_BAR_PER_UNIT, _LONGEST_BAR = 1.5, 30


def explain(
    run_id: Annotated[str, typer.Option("--run-id", help="A finished run below the output folder.")],
    source_row_id: Annotated[
        str, typer.Option("--source-row-id", help="Of a rebate claim, a 340B claim or an invoice line.")
    ],
    all_rules: Annotated[
        bool, typer.Option("--all", help="Every rule, also those that are off or are about other rows.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    input: Input = None,
    output: Output = None,
    set: Set = None,
    engine: Engine = None,
) -> None:
    """Shows why a row of a finished run was flagged or not: both claims side by side, and the result of each rule.

    The run's own settings and input folder are used; what is given in addition must agree with them.

    Example: ./spark-submit.sh explain --run-id 2026Q1 --source-row-id CLD-2026Q1-0000042 --output runs
    """
    settings = settings_of(config, input, output, None, set, engine)
    from engine import pipeline

    spark = session_of("explain", settings)
    explained = pipeline.explain(spark, settings, run_id, source_row_id, lambda words: print(words, flush=True))
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    if not explained.pairs:
        _show_alone(console, explained, source_row_id)
    for pair in explained.pairs[:_MOST_SHOWN]:
        console.print(_heading(pair))
        claim = explained.claims.get(pair["source_row_id"])
        console.print(_values(claim, explained.claims_340b.get(pair["link_source_row_id"])))
        console.print(_table(pair))
    if len(explained.pairs) > _MOST_SHOWN:
        console.print(f"{len(explained.pairs) - _MOST_SHOWN:,} further pairs are in the file.")
    answers = explained.answers if all_rules else [answer for answer in explained.answers if _is_close(answer)]
    if answers:
        console.print(_rules(answers))
    if others := len(explained.answers) - len(answers):
        console.print(f"{others} other rules are off, or nothing on the row comes near them; --all lists them.")
    print(masked(f"\ndata       {explained.data}"))
    if explained.picture is not None:
        print(masked(f"picture    {explained.picture}"))


def _show_alone(console: Console, explained: Explained, source_row_id: str) -> None:
    """The values of a claim without a candidate pair."""
    if explained.subject in ("REBATE_CLAIM", "ENTITY_CLAIM"):
        console.print("\nNo claim of the other side has its prescription, or all else that a dispense has.")
        console.print(_values(explained.claims.get(source_row_id), explained.claims_340b.get(source_row_id)))


def _is_close(answer: Mapping[str, Any]) -> bool:
    return answer["answer"] in ("FIRED", "SUPPRESSED") or bool(answer.get("came_close"))


def _heading(pair: Mapping[str, Any]) -> Text:
    from engine.exports import outcome_words

    claims = (
        f"rebate claim {pair['source_row_id']}, 340B claim {pair['link_source_row_id']} of {pair['link_entity_id']}"
    )
    differs = ", ".join(pair["link_fields_differ"]) or "nothing"
    return Text(f"\n{claims}\n{pair['link_tier'] or 'no tier'}, {outcome_words(pair)}; differs: {differs}")


def _values(claim: Mapping[str, Any] | None, claim_340b: Mapping[str, Any] | None) -> Table:
    """Both claims field by field; `≠` and bold mark the fields in which they differ."""
    from engine.exports import side_by_side

    table = Table()
    for name in ("field", "rebate claim", "340B claim", ""):
        table.add_column(name)
    for line in side_by_side(claim, claim_340b):
        style = "bold" if line.differs else ""
        cells = (line.label, line.rebate or "", line.claim_340b or "", "≠ differs" if line.differs else "")
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table


def _table(pair: Mapping[str, Any]) -> Table:
    """One row per contribution, and the score."""
    from engine.exports import contribution_words, probability_words

    table = Table(show_footer=True)
    table.add_column(
        "how the claims compare", footer=f"score; probability {probability_words(pair['link_probability'])}"
    )
    table.add_column("log2 odds", footer=f"{pair['link_score']:+.2f}", justify="right")
    table.add_column("")
    for part in pair["link_contributions"]:
        table.add_row(Text(contribution_words(part)), f"{part['weight']:+.2f}", _bar(part["weight"]))
    return table


def _rules(answers: Sequence[Mapping[str, Any]]) -> Table:
    """One row per rule: first those that fired, then suppressed, not met and off."""
    table = Table(title="Results of the rules", title_justify="left", show_lines=True)
    for name in ("rule", "answer", "why"):
        table.add_column(name)
    for answer in sorted(answers, key=lambda answer: (_ANSWERS.index(answer["answer"]), answer["rule_id"])):
        heading = Text(f"{answer['rule_id']} {answer['title']}")
        table.add_row(heading, _ANSWER_WORDS[answer["answer"]], Text(_why(answer)))
    return table


def _why(answer: Mapping[str, Any]) -> str:
    from engine.exports import guard_words

    guards = [guard_words(guard) for guard in answer.get("guards") or []]
    unknown = answer.get("unknown_facts") or []
    parts = [
        answer.get("message") or "",
        f"innocent explanations: {'; '.join(guards)}" if guards else "",
        f"not known of the row: {', '.join(unknown)}" if unknown and answer["answer"] == "NOT_MET" else "",
    ]
    return "\n".join(part for part in parts if part)


def _bar(weight: float) -> str:
    length = min(round(abs(weight) * _BAR_PER_UNIT), _LONGEST_BAR)
    return ("█" if weight >= 0 else "░") * length


if __name__ == "__main__":
    main(explain)
