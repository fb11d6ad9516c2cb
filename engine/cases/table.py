"""Cases with units, dollars, names, deadline and status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.cases.grouping import grouped, joined
from engine.contracts.cases import CASES, CaseStatus
from engine.contracts.codes import Evidence, Route, Subject
from engine.contracts.positions import Position
from engine.rules import ROOT_CAUSES, Root
from engine.runtime.expressions import (
    collect_distinct,
    decimal_of_double,
    divide_decimals,
    greatest_of_groups,
    nulls,
    sort,
)
from engine.settings import CounterpartySettings

_UNITS, _MONEY, _SUM = "decimal(15,3)", "decimal(18,2)", "decimal(38,3)"
# If a case has several subjects, the first one is counted (contract part 7.11): claims, or invoice lines without
# claims.
_COUNTED_FIRST = (Subject.REBATE_CLAIM, Subject.ENTITY_CLAIM, Subject.INVOICE)
_SUBJECT_COLUMNS = {
    Subject.REBATE_CLAIM: "claims",
    Subject.ENTITY_CLAIM: "claims_340b",
    Subject.INVOICE: "invoice_lines",
}
_MEASURES = {
    "units_at_issue": _UNITS,
    "units_in_dispute": _UNITS,
    "units_open": _UNITS,
    "amount_at_issue": _MONEY,
    "amount_open": _MONEY,
    "recovery": _MONEY,
}
_PAIR_RULE = "R046"
_CAUSES = sorted({*ROOT_CAUSES.values()}, key=lambda cause: cause.name)
_NO_DEADLINE = "9999-12-31"
_DAY_LENGTH, _MOST_LETTERS = len(_NO_DEADLINE), 100
_NAMES = {"name": "string", "contact": "string"}


@dataclass(frozen=True)
class CaseInput:
    """The input of cases in addition to findings; None if there is no such table.

    held: finding_id on red lines of the tie-out. sent: finding_id and case_id of submitted lines. outcomes: those
    answered up to the day of the run. positions: POSITIONS of the run.
    """

    sent: DataFrame
    held: DataFrame | None = None
    outcomes: DataFrame | None = None
    positions: DataFrame | None = None
    entities: DataFrame | None = None
    pharmacies: DataFrame | None = None


def cases_of(findings: DataFrame, known: CaseInput, counterparties: Mapping[str, CounterpartySettings]) -> DataFrame:
    """CASES of FINDINGS, one row per case_id. `counterparties`: names and contacts of states, PBMs and facilitators.

    Units that are disputed by settlements or decisions are not open; credited and repaid units are not at issue.
    """
    rows = grouped(findings.where(F.col("case_id").isNotNull() & ~F.coalesce("is_dismissed", F.lit(False))))
    rows = _with_open_units(rows, known.positions)
    rows = _with_progress(rows, known)
    counted = _each_dispense_once(rows)
    evidence = {name: F.count_if(F.col("evidence") == kind.value) for name, kind in _EVIDENCE.items()}
    groups = counted.groupBy("case_id").agg(
        *(F.max(name).alias(name) for name in ("run_id", "counterparty_kind", "counterparty_id", "root_cause")),
        *(F.max(name).alias(name) for name in ("root_key", "case_period", "entity_id", "pharmacy_npi", "product_name")),
        F.max("case_labeler").alias("labeler_code"),
        F.max("case_contract").alias("contract_id"),
        F.count(F.lit(1)).alias("findings"),
        *(F.count_if(F.col("subject") == subject.value).alias(name) for subject, name in _SUBJECT_COLUMNS.items()),
        *(column.alias(name) for name, column in evidence.items()),
        *_sums(),
        F.array_join(sort(collect_distinct("dispute_code")), ", ").alias("codes"),
        # as text: the least of structs takes long for many groups
        F.min(F.concat(F.col("deadline_date").cast("string"), F.coalesce("deadline_kind", F.lit("")))).alias(
            "deadline"
        ),
        F.min("last_day_date").alias("last_day_date"),
        *(F.count_if(name).alias(f"findings_{name.removeprefix('is_')}") for name in ("is_held", "is_sent")),
        F.count_if(F.col("is_sent") & F.col("answer").isNotNull()).alias("findings_answered"),
        F.count_if(F.col("is_accepted")).alias("findings_accepted"),
        F.sum("credited_units").cast(_SUM).alias("finding_units"),
        F.sum("credited_amount").cast("decimal(38,2)").alias("finding_amount"),
    )
    groups = _with_case_outcomes(groups, known.outcomes)
    groups = _with_names(groups, known, counterparties)
    subject = F.coalesce(*(F.when(F.col(_SUBJECT_COLUMNS[each]) > 0, F.lit(each.value)) for each in _COUNTED_FIRST))
    groups = groups.withColumn("counted_subject", subject)
    has_deadline = F.col("deadline") < F.lit(_NO_DEADLINE)
    groups = groups.withColumns(
        {
            **{name: _of_counted(name) for name in (*_MEASURES, "findings_without_price")},
            "expected_recovery": _of_counted("recovery"),
            "deadline_date": F.when(has_deadline, F.substring("deadline", 1, _DAY_LENGTH).cast("date")),
            "deadline_kind": F.when(
                has_deadline, F.nullif(F.substring("deadline", _DAY_LENGTH + 1, _MOST_LETTERS), F.lit(""))
            ).otherwise(F.lit("NONE")),
            "codes": F.nullif("codes", F.lit("")),
            "root_words": _root_words(),
            "status": _status(),
            "units_credited": F.coalesce("case_units", "finding_units"),
            "amount_credited": F.coalesce("case_amount", "finding_amount"),
        }
    )
    return groups.select(*(F.col(field.name).cast(field.dataType) for field in CASES.fields))


_EVIDENCE = {
    "findings_strong": Evidence.STRONG,
    "findings_medium": Evidence.MEDIUM,
    "findings_weak": Evidence.WEAK,
}


def _with_open_units(rows: DataFrame, positions: DataFrame | None) -> DataFrame:
    """Add disputed_units (by settlements or decisions), open_units and open_amount of each finding to `rows`."""
    disputed = F.coalesce("units_in_dispute", F.lit(0))
    if positions is not None:
        held = positions.where((F.col("position") == Position.DISPUTED.value) & F.col("finding_id").isNotNull())
        of_finding = held.groupBy(F.col("finding_id").alias("disputed_id")).agg(
            F.sum("units").cast(_UNITS).alias("decided_units")
        )
        rows = rows.join(of_finding, on=F.col("finding_id") == F.col("disputed_id"), how="left")  # one row each
        disputed = F.greatest(disputed, F.coalesce("decided_units", F.lit(0)))
    at_issue, amount = F.coalesce("units_at_issue", F.lit(0)), F.col("amount_at_issue")
    rows = rows.withColumn("disputed_units", F.least(disputed, at_issue).cast(_UNITS))
    left = (at_issue - F.col("disputed_units")).cast(_UNITS)
    share = divide_decimals(amount * left, at_issue, 30, 6, "decimal(34,6)")
    return rows.withColumns(
        {
            "open_units": left,
            "open_amount": F.when(F.col("disputed_units") > 0, F.round(share, 2)).otherwise(amount).cast(_MONEY),
        }
    )


def _with_progress(rows: DataFrame, known: CaseInput) -> DataFrame:
    """Add is_sent, is_held and the last answer to `rows`.

    The answer: answer, is_accepted, credited_units, credited_amount.
    """
    sent = known.sent.where(F.col("finding_id").isNotNull()).select(F.col("finding_id").alias("sent_id")).distinct()
    rows = rows.join(F.broadcast(sent), on=F.col("finding_id") == F.col("sent_id"), how="left")
    rows = rows.withColumn("is_sent", F.col("sent_id").isNotNull())
    if known.held is None:
        rows = rows.withColumn("is_held", F.lit(False))
    else:
        held = known.held.select(F.col("finding_id").alias("held_id")).distinct()
        rows = rows.join(F.broadcast(held), on=F.col("finding_id") == F.col("held_id"), how="left")
        rows = rows.withColumn("is_held", F.col("held_id").isNotNull())
    if known.outcomes is None:
        kinds = {"answer": "string", "credited_units": _UNITS, "credited_amount": _MONEY}
        return rows.withColumns({**nulls(kinds), "is_accepted": F.lit(False)})
    last = _last_answers(known.outcomes, "finding_id").withColumnRenamed("finding_id", "answered_id")
    rows = rows.join(F.broadcast(last), on=F.col("finding_id") == F.col("answered_id"), how="left")
    return rows.withColumns(
        {
            "answer": F.col("last.answer"),
            "is_accepted": F.coalesce(_is_accepted(), F.lit(False)),
            "credited_units": F.col("last.units_credited"),
            "credited_amount": F.col("last.amount_credited"),
        }
    )


def _last_answers(outcomes: DataFrame, name: str) -> DataFrame:
    """`name` and last: the latest answer for each value; NO_ANSWER is not an answer."""
    answers = outcomes.where(F.col(name).isNotNull() & (F.col("answer") != "NO_ANSWER"))
    fields = ("answered_on", "answer", "units_credited", "amount_credited")
    return greatest_of_groups(answers, [name], fields, into="last")


def _is_accepted() -> Column:
    """ACCEPTED; PARTIAL if units were credited (contract part 7.19)."""
    return (F.col("last.answer") == "ACCEPTED") | (
        (F.col("last.answer") == "PARTIAL") & F.coalesce(F.col("last.units_credited") > 0, F.lit(False))
    )


def _each_dispense_once(rows: DataFrame) -> DataFrame:
    """Add is_counted to `rows`: of a case's rows on one dispense that several entities report, the first counts."""
    dispense = joined("pharmacy_npi", "rx_number", "fill_number", "date_of_service", "ndc11")
    is_pair = F.col("deciding_rule") == _PAIR_RULE
    rows = rows.withColumn("counted_as", F.when(is_pair, dispense).otherwise(F.col("finding_id")))
    first = Window.partitionBy("case_id", "counted_as").orderBy("finding_id")
    return rows.withColumn("is_counted", F.row_number().over(first) == 1)


def _sums() -> list[Column]:
    """For each subject: the sums of _MEASURES, and findings_without_price."""
    values = {
        "units_at_issue": F.col("units_at_issue"),
        "units_in_dispute": F.col("disputed_units"),
        "units_open": F.col("open_units"),
        "amount_at_issue": F.col("amount_at_issue"),
        "amount_open": F.col("open_amount"),
        # Rounded to cents, so the sum does not depend on the order of rows.
        "recovery": decimal_of_double(F.greatest(F.col("priority"), F.lit(0.0)), 18, 2),
    }
    sums = []
    for subject, prefix in _SUBJECT_COLUMNS.items():
        counts = F.col("is_counted") & (F.col("subject") == subject.value)
        sums += [F.sum(F.when(counts, value)).alias(f"{prefix}_{name}") for name, value in values.items()]
        without = F.count_if(counts & F.col("amount_at_issue").isNull())
        sums.append(without.alias(f"{prefix}_findings_without_price"))
    return sums


def _of_counted(name: str) -> Column:
    """The sum for the counted subject; if there is none, units and recovery are zero, not NULL."""
    of_subject = [
        F.when(F.col("counted_subject") == subject.value, F.col(f"{prefix}_{name}"))
        for subject, prefix in _SUBJECT_COLUMNS.items()
    ]
    value = F.coalesce(*of_subject)
    return F.coalesce(value, F.lit(0)) if name.startswith("units") or name == "recovery" else value


def _with_case_outcomes(groups: DataFrame, outcomes: DataFrame | None) -> DataFrame:
    """Add the last answer to the case itself to `groups`: case_answer, case_is_accepted, case_units, case_amount."""
    if outcomes is None:
        kinds = {"case_answer": "string", "case_is_accepted": "boolean", "case_units": _UNITS, "case_amount": _MONEY}
        return groups.withColumns(nulls(kinds))
    last = _last_answers(outcomes, "case_id").select(
        F.col("case_id").alias("answered_case"),
        F.col("last.answer").alias("case_answer"),
        _is_accepted().alias("case_is_accepted"),
        F.col("last.units_credited").alias("case_units"),
        F.col("last.amount_credited").alias("case_amount"),
    )
    return groups.join(F.broadcast(last), on=F.col("case_id") == F.col("answered_case"), how="left")


def _status() -> Column:
    is_answered = F.col("case_answer").isNotNull() | (
        (F.col("findings_sent") > 0) & (F.col("findings_answered") == F.col("findings_sent"))
    )
    is_accepted = F.coalesce(F.col("case_is_accepted"), F.col("findings_accepted") > 0)
    return (
        F.when(is_answered & is_accepted, F.lit(CaseStatus.RESOLVED_CREDIT.value))
        .when(is_answered, F.lit(CaseStatus.RESOLVED_PAY.value))
        .when(F.col("findings_sent") > 0, F.lit(CaseStatus.SUBMITTED.value))
        .otherwise(F.lit(CaseStatus.DRAFT.value))
    )


def _with_names(groups: DataFrame, known: CaseInput, counterparties: Mapping[str, CounterpartySettings]) -> DataFrame:
    """Add counterparty_name, contact, root_contact, and the names of the root's entity and pharmacy to `groups`."""
    entities, pharmacies = _entity_names(known.entities), _pharmacy_names(known.pharmacies)
    is_entity = F.col("counterparty_kind") == Route.ENTITY.value
    rows = _named(groups, entities, F.when(is_entity, F.col("counterparty_id")), "party")
    rows = _named(rows, entities, F.when(_names_root(Root.ENTITY), F.col("entity_id")), "entity")
    rows = _named(rows, pharmacies, F.when(_names_root(Root.PHARMACY), F.col("pharmacy_npi")), "pharmacy")
    return rows.withColumns(
        {
            "counterparty_name": F.coalesce("party_name", _setting(counterparties, "name")),
            "contact": F.coalesce("party_contact", _setting(counterparties, "contact")),
            "root_contact": F.coalesce("pharmacy_contact", "entity_contact"),
        }
    )


def _setting(counterparties: Mapping[str, CounterpartySettings], name: str) -> Column:
    known = {counterparty: getattr(settings, name) for counterparty, settings in counterparties.items()}
    pairs = [F.lit(word) for counterparty, text in known.items() if text is not None for word in (counterparty, text)]
    by_id = F.try_element_at(F.create_map(*pairs), F.col("counterparty_id")) if pairs else F.lit(None).cast("string")
    return F.when(F.col("counterparty_kind") != Route.ENTITY.value, by_id)


def _names_root(root: Root) -> Column:
    """For groups: whether the root cause identifies an entity (or pharmacy), alone or with the other."""
    causes = [cause.name for cause in _CAUSES if cause.root in (root, Root.ENTITY_AND_PHARMACY)]
    return F.col("root_cause").isin(*causes)


def _entity_names(entities: DataFrame | None) -> DataFrame | None:
    """key, name and contact of each covered entity, from its row with the latest snapshot, then the latest start."""
    if entities is None:
        return None
    contact = F.nullif(F.concat_ws(", ", "contact_name", "contact_phone"), F.lit(""))
    fields = ("snapshot_date", "participating_start", "name", "contact")
    named = entities.select(F.col("entity_id").alias("key"), *fields[:-1], contact.alias("contact"))
    return greatest_of_groups(named, ["key"], fields, into="last")


def _pharmacy_names(pharmacies: DataFrame | None) -> DataFrame | None:
    """key, name and contact (telephone) of each pharmacy, from its row with the latest snapshot."""
    if pharmacies is None:
        return None
    named = pharmacies.select(F.col("npi").alias("key"), "snapshot_date", "name", F.col("phone").alias("contact"))
    return greatest_of_groups(named, ["key"], ("snapshot_date", "name", "contact"), into="last")


def _named(rows: DataFrame, names: DataFrame | None, key: Column, prefix: str) -> DataFrame:
    if names is None:
        return rows.withColumns(nulls({f"{prefix}_{name}": kind for name, kind in _NAMES.items()}))
    own = names.select(
        F.col("key").alias(f"{prefix}_key"), *(F.col(f"last.{name}").alias(f"{prefix}_{name}") for name in _NAMES)
    )
    return rows.withColumn(f"{prefix}_of", key).join(
        own, on=F.col(f"{prefix}_of") == F.col(f"{prefix}_key"), how="left"
    )


def _root_words() -> Column:
    """Such as "340B claims of covered entity DSH180012 (Example Medical Center) appear not to be excluded"."""
    root = {cause.name: cause.root.value for cause in _CAUSES}
    before, after = ({cause.name: (*cause.words.split("{}"), "")[at] for cause in _CAUSES} for at in (0, 1))
    kind = _of_cause(root)
    both = F.concat(
        _with_name("entity_id", "entity_name"), F.lit(" and pharmacy "), _with_name("pharmacy_npi", "pharmacy_name")
    )
    shown = (
        F.when(kind == Root.NOTHING.value, F.lit(""))
        .when(kind == Root.ENTITY_AND_PHARMACY.value, both)
        .when(kind == Root.ENTITY.value, _with_name("root_key", "entity_name"))
        .when(kind == Root.PHARMACY.value, _with_name("root_key", "pharmacy_name"))
        .when(kind == Root.PRODUCT.value, _with_name("root_key", "product_name"))
        .otherwise(_with_name("root_key", None))
    )
    return F.coalesce(F.concat(_of_cause(before), shown, _of_cause(after)), F.col("root_cause"))


def _of_cause(words: Mapping[str, str]) -> Column:
    pairs = [F.lit(word) for pair in words.items() for word in pair]
    return F.try_element_at(F.create_map(*pairs), F.col("root_cause"))


def _with_name(key: str, name: str | None) -> Column:
    """Such as "DSH180012 (Example Medical Center)"."""
    known = F.coalesce(F.nullif(key, F.lit("")), F.lit("(not known)"))
    of_name = F.lit("") if name is None else F.coalesce(F.concat(F.lit(" ("), F.col(name), F.lit(")")), F.lit(""))
    return F.concat(known, of_name)
