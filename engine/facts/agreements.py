"""State 340B policies and rebate contracts that govern a claim at its date of service."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import MEDICAID_PROGRAMS
from engine.facts.families import absent
from engine.facts.snapshots import known_from
from engine.intervals import BEGINNING, covers, join_as_of, join_own_and_general
from engine.runtime.column_names import column_names
from engine.runtime.expressions import any_of, collect_distinct, greatest_of

# Fact: the policy's column, its type, and the fact that names the policy row it comes from.
_POLICY_FACTS = {
    "state_340b_method": ("method", "string", "state_340b_method_known_from"),
    "state_carves_out_contract_pharmacies": (
        "contract_pharmacy_carved_out",
        "boolean",
        "state_carve_out_known_from",
    ),
}


def with_state_policy(claims: DataFrame, policies: DataFrame | None) -> DataFrame:
    """Add the state's 340B policy to `claims`.

    state_340b_method: how the state identifies 340B claims. state_carves_out_contract_pharmacies: whether contract
    pharmacies may use no 340B stock for Medicaid in the state. Both are NULL if unknown and for payers other than
    Medicaid; each has the `known_from` of its policy row.

    A policy for the claim's program takes precedence over one for all programs. Rows whose confidence is low or could
    not be read are ignored.
    """
    if policies is None:
        unknown = {fact: F.lit(None).cast(kind) for fact, (_, kind, _) in _POLICY_FACTS.items()}
        return claims.withColumns(unknown | {since: F.lit(None).cast("date") for *_, since in _POLICY_FACTS.values()})
    policies = policies.where(F.col("confidence") == "HIGH")
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    state = F.when(is_medicaid, F.coalesce("state", "payer_id"))
    rows = join_own_and_general(
        claims,
        policies,
        own="program",
        own_key={"state": state, "program": F.col("program")},
        general_key={"state": state},
        values={name: F.col(name) for name, *_ in _POLICY_FACTS.values()}
        | {"known_from": known_from(policies, "state_340b_policies")},
    )
    facts: list[Column] = []
    for fact, (name, _, since) in _POLICY_FACTS.items():
        own = F.col(f"own_policy.{name}")
        own_since, general_since = F.col("own_policy.known_from"), F.col("general_policy.known_from")
        facts.append(F.coalesce(own, f"general_policy.{name}").alias(fact))
        facts.append(F.when(own.isNotNull(), own_since).otherwise(general_since).alias(since))
    return rows.select(*column_names(claims), *facts)


# The fields of a contract row that limit which claims it governs.
_CONTRACT_FIELDS = ("program", "contract_id", "rebate_type", "ndc9", "begin_date", "end_date")
# The fields of a claim that decide which contract governs it.
_QUESTION = ("payer_id", "program", "contract_id", "rebate_type", "ndc9", "governing_day")


CONTRACT_FACTS = (
    T.StructField("contract_excludes_340b", T.BooleanType()),
    T.StructField("contract_exclusion_scope", T.StringType()),
    T.StructField("contract_key", T.StringType()),
    T.StructField("contract_begin_date", T.DateType()),
    T.StructField("contract_end_date", T.DateType()),
    T.StructField("governing_contract_id", T.StringType()),
    T.StructField("contract_known_from", T.DateType()),
    T.StructField("payer_contracts", T.IntegerType()),
    T.StructField("contract_terms_differ", T.BooleanType()),
)
_TERMS = CONTRACT_FACTS[:-2]
_EVERY = "ALL"  # 340B claims: the scope of an exclusion


def with_contract(rows: DataFrame, contracts: DataFrame | None, claims: DataFrame) -> DataFrame:
    """Add `contract`, a struct of CONTRACT_FACTS, to `rows`; NULL if no contract of the payer is known.

    The struct holds the 340B terms of the rebate contract in force (NULL if none is); payer_contracts, the number of
    contracts with an id that the payer has for such a claim; and contract_terms_differ, whether the claim names no
    contract and another contract that may govern it has other terms.

    The contract's payer must be the claim's payer. Program, contract id, rebate type and NDC-9 must not contradict the
    claim: NULL in the contract matches every claim, and any contract id matches a claim that names none. The most
    specific row wins, in the order contract id, NDC-9, rebate type, program. If the claim names no contract, ties go to
    a contract that excludes 340B claims, and among those to one that excludes all of them rather than some, because
    such an exclusion is what has to be clarified; then to the latest begin date. contract_key identifies the row.

    `claims`: the same claims or more, as written to disk. The distinct lookup keys are computed from `claims`, so
    `rows`, the result of many joins, are computed only once.
    """
    if contracts is None:
        return rows.withColumn("contract", absent(CONTRACT_FACTS))
    terms = F.struct(*_CONTRACT_FIELDS, _terms(contracts).alias("terms"))
    changes = F.array_distinct(F.array_compact(F.flatten(F.collect_list(F.array("begin_date", "end_date")))))
    by_payer = (
        contracts.where(F.col("payer_id").isNotNull())
        .groupBy(F.col("payer_id").alias("contract_payer_id"))
        .agg(F.sort_array(collect_distinct(terms)).alias("contracts"), changes.alias("changes"))
    )
    questions = _with_governing_day(claims, by_payer).where(F.col("contract_payer_id").isNotNull())
    answers = _governing(
        questions.select(*_QUESTION, "contract_payer_id")
        .distinct()
        .join(F.broadcast(by_payer.select("contract_payer_id", "contracts")), on="contract_payer_id")
        .withColumnRenamed("governing_day", "date_of_service")
    ).withColumnRenamed("date_of_service", "governing_day")
    key_names = {name: f"key_{name}" for name in _QUESTION}
    answers = answers.select(*(F.col(name).alias(alias) for name, alias in key_names.items()), "contract")
    same = [F.col(name).eqNullSafe(F.col(alias)) for name, alias in key_names.items()]
    return (
        _with_governing_day(rows, by_payer)
        .join(F.broadcast(answers), on=same, how="left")
        .select(*column_names(rows), "contract")
    )


def _with_governing_day(claims: DataFrame, by_payer: DataFrame) -> DataFrame:
    """Add the payer's contract key and the governing day to `claims`.

    contract_payer_id is NULL if the payer has no contract. governing_day is the last day, up to the date of service, on
    which a contract of the payer begins or ends: every day until the next change has the same governing contract.
    """
    since_change = greatest_of(F.filter("changes", lambda change: change <= F.col("date_of_service")))
    is_of_payer = F.col("payer_id") == F.col("contract_payer_id")
    return claims.join(F.broadcast(by_payer.drop("contracts")), on=is_of_payer, how="left").withColumn(
        "governing_day",
        F.when(F.col("date_of_service").isNotNull(), F.coalesce(since_change, F.lit(BEGINNING).cast("date"))),
    )


def _governing(questions: DataFrame) -> DataFrame:
    """`questions` (columns of a claim, `contracts` of its payer) with `contract`, a struct of CONTRACT_FACTS."""
    rows = questions.withColumn("contracts", F.filter("contracts", _may_govern))
    rows = rows.withColumn("contract_places", F.transform(F.filter("contracts", _is_own_contract), _place))
    rows = rows.withColumn("contract", greatest_of(F.col("contract_places"))["terms"])
    ids = F.transform("contracts", lambda contract: contract["contract_id"])
    differ = F.exists("contract_places", _has_other_terms) & F.col("contract_id").isNull()
    values = {
        **{field.name: F.col("contract")[field.name] for field in _TERMS},
        "payer_contracts": F.size(F.array_compact(F.array_distinct(ids))),
        "contract_terms_differ": differ,
    }
    family = F.struct(*(values[field.name].cast(field.dataType).alias(field.name) for field in CONTRACT_FACTS))
    return rows.withColumn("contract", family)


def _place(contract: Column) -> Column:
    """The sort key of a contract row, in the order of precedence, followed by its terms."""
    excludes = F.coalesce(contract["terms"]["contract_excludes_340b"], F.lit(False))
    excludes_unnamed = F.col("contract_id").isNull() & excludes
    excludes_all_unnamed = excludes_unnamed & (
        F.coalesce(contract["terms"]["contract_exclusion_scope"], F.lit(_EVERY)) == _EVERY
    )
    return F.struct(
        *(
            contract[name].isNotNull().alias(f"has_{name}")
            for name in ("contract_id", "ndc9", "rebate_type", "program")
        ),
        excludes_unnamed.alias("excludes_unnamed"),
        excludes_all_unnamed.alias("excludes_all_unnamed"),
        F.coalesce(contract["begin_date"], F.lit("0001-01-01").cast("date")).alias("from"),
        contract["terms"].alias("terms"),
    )


def _has_other_terms(place: Column) -> Column:
    """Whether another contract than the chosen one has different terms for 340B claims. Never NULL."""
    own, other = F.col("contract"), place["terms"]
    is_other = ~other["governing_contract_id"].eqNullSafe(own["governing_contract_id"])
    differs = [~other[name].eqNullSafe(own[name]) for name in ("contract_excludes_340b", "contract_exclusion_scope")]
    return is_other & any_of(differs)


def _terms(contracts: DataFrame) -> Column:
    """The terms of a row of `rebate_contracts`."""
    key = F.concat_ws("/", "payer_id", "program", "contract_id", "rebate_type", "ndc9")
    values = {
        "contract_excludes_340b": F.col("excludes_340b"),
        "contract_exclusion_scope": F.col("exclusion_scope"),
        "contract_key": key,
        "contract_begin_date": F.col("begin_date"),
        "contract_end_date": F.col("end_date"),
        "governing_contract_id": F.col("contract_id"),
        "contract_known_from": known_from(contracts, "rebate_contracts"),
    }
    return F.struct(*(values[field.name].cast(field.dataType).alias(field.name) for field in _TERMS))


def _may_govern(contract: Column) -> Column:
    """Whether the contract is in force and covers the claim's program, rebate type and product.

    The contract that the claim names is not compared.
    """
    same_rebate_type = _agrees(contract, "rebate_type") | F.col("rebate_type").isNull()
    in_force = covers(F.col("date_of_service"), contract["begin_date"], contract["end_date"])
    return _agrees(contract, "program") & same_rebate_type & _agrees(contract, "ndc9") & in_force


def _is_own_contract(contract: Column) -> Column:
    return _agrees(contract, "contract_id") | F.col("contract_id").isNull()


def _agrees(contract: Column, name: str) -> Column:
    return contract[name].isNull() | F.coalesce(contract[name] == F.col(name), F.lit(False))


def with_pharmacy_status(
    claims: DataFrame, contract_pharmacy_lists: DataFrame | None, entity_npis: DataFrame | None
) -> DataFrame:
    """Add the pharmacy's status under the claim's contract to `claims` (with `contract`).

    contract_pharmacy_is_listed: on the list of the claim's contract at the date of service.
    contract_pharmacy_is_entity_owned: the NPI is a covered entity's own. Each is NULL if its table is missing, and has
    the `known_from` of the row it comes from.

    The contract is the one that the claim names, else the one that governs the claim. is_listed is NULL if neither has
    an id, because no list can then be attributed to the contract.
    """
    contract_id = F.coalesce("contract_id", "contract.governing_contract_id")
    day = F.col("date_of_service")
    is_listed = is_owned = F.lit(None).cast("boolean")
    listed_since = owned_since = F.lit(None).cast("date")
    rows = claims
    if contract_pharmacy_lists is not None:
        rows = join_as_of(
            rows,
            contract_pharmacy_lists,
            key={"contract_id": contract_id, "pharmacy_npi": F.col("pharmacy_key")},
            day=day,
            start=F.col("begin_date"),
            end=F.col("end_date"),
            values={
                "is_listed": F.lit(True),
                "known_from": known_from(contract_pharmacy_lists, "contract_pharmacy_lists"),
            },
            into="listing",
        )
        is_listed = F.when(contract_id.isNotNull(), F.col("listing").isNotNull())
        listed_since = F.col("listing.known_from")
    if entity_npis is not None:
        since = known_from(entity_npis, "entity_npis")
        rows = join_as_of(
            rows,
            entity_npis,
            key={"npi": F.col("pharmacy_key")},
            day=day,
            start=F.col("valid_from"),
            end=F.col("valid_to"),
            values={"is_owned": F.lit(True), "known_from": since},
            into="ownership",
            # If several entities own the NPI, any is enough: take the one that was known first.
            tie_break=[-F.unix_date(F.coalesce(since, F.lit("0001-01-01").cast("date")))],
        )
        is_owned = F.col("ownership").isNotNull()
        owned_since = F.col("ownership.known_from")
    return rows.select(
        *column_names(claims),
        is_listed.alias("contract_pharmacy_is_listed"),
        listed_since.alias("contract_listing_known_from"),
        is_owned.alias("contract_pharmacy_is_entity_owned"),
        owned_since.alias("contract_ownership_known_from"),
    )
