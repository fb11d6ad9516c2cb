"""Reads rule specifications: a small text table of facts, and beside it what the rule should say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Subject
from engine.contracts.tables import TABLES
from engine.rules import REGISTRY, ActiveRules, active_rules, apply_rules, rule_answers
from engine.rules.activation import COMPLETE
from engine.rules.hit import FACTS_OF, SCORE_FACTS
from engine.settings import RuleSettings, Settings
from tests.spec.text_tables import read_table

# Answer, state of each guard, and result if the rule fired, by subject and row id.
Results = dict[str, tuple[str, dict[str, str], dict[str, Any] | None]]
AS_OF = date(2026, 3, 1)
SETTINGS = Settings(as_of=AS_OF)
ALL_ON = SETTINGS.model_copy(update={"rules": {rule_id: RuleSettings(enabled=True) for rule_id in REGISTRY.ids}})
EVERYTHING = frozenset(
    [
        "scores",
        *TABLES,
        *(f"{table.name}.{name}" for table in TABLES.values() for name in (*table.column_names, COMPLETE)),
    ]
)

CLAIM = (
    "payer_id=KY; state=KY; claim_id=4711; claim_line=1; claim_type=RX; ndc11=00002759701; units=30; ndc_units=30; "
    "date_of_service=2025-08-01; period=2025Q3; transaction=ORIGINAL; pharmacy_npi=1234567893; rx_number=1234567; "
    "unit_rebate_amount=2.5; rebate_amount=75.00; amount_paid=300.00; amount_third_party=0"
)
CLAIM_340B = (
    "entity_id=DSH010001; parent_entity_id=DSH010001; pharmacy_npi=1234567893; rx_number=1234567; claim_type=RX; "
    "ndc11=00002759701; ndc9=000027597; quantity=30; date_of_service=2025-08-01; submitted_at=2025-08-20"
)
LINE = (
    "program=MDRP_FFS; state=AK; ndc11=00002759701; period=2025Q3; period_start=2025-07-01; invoice_number=I-7; "
    "line_kind=CURRENT; source_kind=INVOICE; suppressed=no; units_reimbursed=1000; prescriptions=40"
)


@dataclass(frozen=True)
class Case:
    """One row of a specification. `expected` holds only what the table states."""

    rule_id: str
    name: str
    facts: dict[str, Any]
    expected: dict[str, str]

    @property
    def row_id(self) -> str:
        return f"{self.rule_id}: {self.name}"


@dataclass(frozen=True)
class Spec:
    """A rule's specification.

    `given`: facts that all cases share, `name=value` separated by `;`. `table`: facts left of `||`, expectations
    right of it, as `text_tables` reads them. A fact that is not named is NULL, and so is `-`; values of a list are
    separated by `,`; `&` is the `|` inside a value. `needs`: facts without any one of which the first case would
    not fire. `no_slow_reading`: why `tests/property/rules_reference` does not read the rule, on one of its
    specifications.

    Expectations: fires (`yes`, `no`, or `held back` by a guard), evidence, code, action, party, route, guards
    (`NAME STATE`, separated by `,`), units, amount, related, says (words of the message, separated by ` ... `).
    """

    rule_id: str
    subject: Subject
    given: str
    table: str
    needs: tuple[str, ...]
    no_slow_reading: str = ""

    @property
    def shared(self) -> dict[str, str]:
        return dict(part.strip().split("=", 1) for part in self.given.split(";") if part.strip())

    @property
    def lines(self) -> list[tuple[str, dict[str, str], dict[str, str]]]:
        """Name, the line's own facts, and what it states of the expected, as text."""
        return [(name, line.left, line.right) for name, line in read_table(self.table).items()]

    @property
    def cases(self) -> list[Case]:
        kinds = {f.name: f.dataType for f in schema_of(self.subject)}
        return [
            Case(
                self.rule_id,
                name,
                {fact: _value(text, kinds[fact]) for fact, text in (self.shared | own).items()},
                expected,
            )
            for name, own, expected in self.lines
        ]

    @property
    def firing(self) -> Case:
        """The first case that fires."""
        return next(case for case in self.cases if case.expected["fires"] == "yes")


def schema_of(subject: Subject) -> T.StructType:
    return T.StructType(FACTS_OF[subject].fields + SCORE_FACTS.fields)


def _value(text: str, kind: T.DataType) -> Any:
    if text in ("-", ""):
        return None
    if isinstance(kind, T.ArrayType):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return parts if isinstance(kind.elementType, T.StringType) else [_reason(part) for part in parts]
    if isinstance(kind, T.DecimalType):
        return Decimal(text)
    if isinstance(kind, T.DateType):
        return date.fromisoformat(text)
    if isinstance(kind, T.TimestampType):
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    if isinstance(kind, T.BooleanType):
        return {"yes": True, "no": False}[text]
    if isinstance(kind, T.DoubleType):
        return float(text)
    if isinstance(kind, T.LongType | T.IntegerType):
        return int(text)
    return text.replace("&", "|")


def _reason(text: str) -> tuple[Any, ...]:
    """`feature value low high peers`, each but the first may be `-`; with a contribution that no message may show."""
    feature, *numbers, peers = text.split()
    return (feature, *(_value(n, T.DoubleType()) for n in numbers), _value(peers, T.LongType()), 0.987654)


def everything(subject: Subject, rule_ids: Iterable[str] = (), without: Iterable[str] = ()) -> ActiveRules:
    """Rules with all tables there, but for `without` (tables or table.column)."""
    missing = set(without)
    available = frozenset(name for name in EVERYTHING if name not in missing and name.partition(".")[0] not in missing)
    active = active_rules(ALL_ON, available, subject, AS_OF)
    return active.only(*rule_ids) if rule_ids else active


def rows_of(spark: SparkSession, subject: Subject, facts: dict[str, dict[str, Any]]) -> DataFrame:
    """A DataFrame of facts, one row per source_row_id; what is not given is NULL."""
    schema = schema_of(subject)
    rows = [
        tuple(({**row, "source_row_id": row_id}).get(name) for name in schema.names) for row_id, row in facts.items()
    ]
    return spark.createDataFrame(rows, schema)


def answers_to(
    spark: SparkSession, active: ActiveRules, facts: dict[str, dict[str, Any]]
) -> dict[tuple[str, str], dict[str, Any]]:
    """What `apply_rules` says: {(source_row_id, rule id): RULE_RESULT as a dictionary}."""
    rows = apply_rules(rows_of(spark, active.subject, facts), active, SETTINGS, also_keep=F.lit(True))
    return {
        (row["source_row_id"], result["rule_id"]): result.asDict(recursive=True)
        for row in rows.select("source_row_id", "rules").collect()
        for result in row["rules"]
    }


def rule_test(specs: list[Spec]) -> Callable[..., None]:
    """The test of a module's specifications, a case each."""

    @pytest.mark.parametrize(("spec", "case"), cases_of(specs))
    def test_rule(spec: Spec, case: Case, results: Results) -> None:
        check(spec, case, results)

    return test_rule


def results_of(spark: SparkSession, specs: list[Spec]) -> Results:
    """Answers, guards and results of all cases, in one Spark job per subject and question."""
    found: Results = {}
    for subject in sorted({spec.subject for spec in specs}):
        own = [spec for spec in specs if spec.subject == subject]
        active = everything(subject, [spec.rule_id for spec in own])
        facts = {case.row_id: case.facts for spec in own for case in spec.cases}
        results = answers_to(spark, active, facts)
        for row in rule_answers(rows_of(spark, subject, facts), active, SETTINGS).collect():
            row_id = row["source_row_id"]
            if row_id.startswith(f"{row['rule_id']}:"):
                guards = {guard["name"]: guard["state"] for guard in row["guards"] or []}
                found[f"{subject} {row_id}"] = (row["answer"], guards, results.get((row_id, row["rule_id"])))
    return found


def cases_of(specs: list[Spec]) -> list[Any]:
    return [
        pytest.param(spec, case, id=f"{spec.subject.lower()} {case.row_id}") for spec in specs for case in spec.cases
    ]


def check(spec: Spec, case: Case, results: Results) -> None:
    """Compares the rule's answer with what the case expects."""
    answer, guards, result = results[f"{spec.subject} {case.row_id}"]
    fires = {"FIRED": "yes", "SUPPRESSED": "held back", "NOT_MET": "no"}[answer]
    assert fires == case.expected["fires"]
    assert (result is not None) == (fires == "yes"), "apply_rules and rule_answers differ"
    for text in (part.strip() for part in case.expected.get("guards", "").split(",") if part.strip()):
        name, state = text.split()
        assert guards[name] == state
    if result is None:
        return
    found = {
        "evidence": result["evidence"],
        "code": result["code"] or "-",
        "action": result["action"],
        "party": result["party_at_fault"],
        "route": result["route"],
        "units": _plain(result["units_at_issue"]),
        "amount": _plain(result["amount_at_issue"]),
        "related": ",".join(result["related_source_row_ids"]) or "-",
    }
    stated = {name: text for name, text in case.expected.items() if name in found}
    assert {name: found[name] for name in stated} == stated
    for words in (part.strip() for part in case.expected.get("says", "").split(" ... ")):
        assert words in result["message"], result["message"]


def _plain(number: Decimal | None) -> str:
    return "-" if number is None else f"{number.normalize():f}"
