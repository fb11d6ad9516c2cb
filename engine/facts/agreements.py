"""State 340B policies and rebate contracts that govern a claim at its date of service."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import MEDICAID_PROGRAMS
from engine.facts.families import absent
from engine.intervals import covers, join_as_of, join_own_and_general
from engine.runtime.column_names import column_names

# Fact: column of a policy and its type.
_POLICY_FACTS = {
    "state_340b_method": ("method", "string"),
    "state_carves_out_contract_pharmacies": ("contract_pharmacy_carved_out", "boolean"),
}


def with_state_policy(claims: DataFrame, policies: DataFrame | None) -> DataFrame:
    """`claims` with state_340b_method, how the state tells 340B claims apart, and state_carves_out_contract_pharmacies,
    whether contract pharmacies may use no 340B stock for Medicaid there; NULL unknown, and off Medicaid.

    A policy for the claim's program goes before one for all programs.
    """
    if policies is None:
        return claims.withColumns({fact: F.lit(None).cast(kind) for fact, (_, kind) in _POLICY_FACTS.items()})
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    state = F.when(is_medicaid, F.coalesce("state", "payer_id"))
    rows = join_own_and_general(
        claims,
        policies,
        own="program",
        own_key={"state": state, "program": F.col("program")},
        general_key={"state": state},
        values={name: F.col(name) for name, _ in _POLICY_FACTS.values()},
    )
    told = (
        F.coalesce(f"own_policy.{name}", f"general_policy.{name}").alias(fact)
        for fact, (name, _) in _POLICY_FACTS.items()
    )
    return rows.select(*column_names(claims), *told)


# What a contract row says of which claims it governs.
_CONTRACT_FIELDS = ("program", "contract_id", "rebate_type", "ndc9", "begin_date", "end_date")


CONTRACT_FACTS = (
    T.StructField("contract_excludes_340b", T.BooleanType()),
    T.StructField("contract_exclusion_scope", T.StringType()),
    T.StructField("contract_key", T.StringType()),
    T.StructField("contract_begin_date", T.DateType()),
    T.StructField("contract_end_date", T.DateType()),
    T.StructField("governing_contract_id", T.StringType()),
)


def with_contract(claims: DataFrame, contracts: DataFrame | None) -> DataFrame:
    """`claims` with `contract`, a struct of CONTRACT_FACTS: the 340B terms of the rebate contract in force; NULL where
    there is no such contract.

    The contract's payer must be the claim's; program, contract id, rebate type and NDC-9 must not contradict it (NULL
    in the contract: all; contract id: also where the claim names none). The row that says most wins, in the order
    contract id, NDC-9, rebate type, program, then the latest begin. contract_key names it.
    """
    if contracts is None:
        return claims.withColumn("contract", absent(CONTRACT_FACTS))
    terms = F.struct(*_CONTRACT_FIELDS, _terms().alias("terms"))
    by_payer = (
        contracts.where(F.col("payer_id").isNotNull())
        .groupBy(F.col("payer_id").alias("contract_payer_id"))
        .agg(F.sort_array(F.collect_set(terms)).alias("contracts"))
    )
    # one row per payer
    joined = claims.join(F.broadcast(by_payer), on=F.col("payer_id") == F.col("contract_payer_id"), how="left")
    ranked = F.transform(
        F.filter("contracts", _governs),
        lambda contract: F.struct(
            *(
                contract[name].isNotNull().alias(f"has_{name}")
                for name in ("contract_id", "ndc9", "rebate_type", "program")
            ),
            F.coalesce(contract["begin_date"], F.lit("0001-01-01").cast("date")).alias("from"),
            contract["terms"].alias("terms"),
        ),
    )
    return joined.select(*column_names(claims), F.array_max(ranked)["terms"].alias("contract"))


def _terms() -> Column:
    """CONTRACT_FACTS of a row of `rebate_contracts`."""
    key = F.concat_ws("/", "payer_id", "program", "contract_id", "rebate_type", "ndc9")
    values = {
        "contract_excludes_340b": F.col("excludes_340b"),
        "contract_exclusion_scope": F.col("exclusion_scope"),
        "contract_key": key,
        "contract_begin_date": F.col("begin_date"),
        "contract_end_date": F.col("end_date"),
        "governing_contract_id": F.col("contract_id"),
    }
    return F.struct(*(values[field.name].cast(field.dataType).alias(field.name) for field in CONTRACT_FACTS))


def _governs(contract: Column) -> Column:
    def agrees(name: str) -> Column:
        return contract[name].isNull() | F.coalesce(contract[name] == F.col(name), F.lit(False))

    same_contract = agrees("contract_id") | F.col("contract_id").isNull()
    same_rebate_type = agrees("rebate_type") | F.col("rebate_type").isNull()
    in_force = covers(F.col("date_of_service"), contract["begin_date"], contract["end_date"])
    return agrees("program") & same_contract & same_rebate_type & agrees("ndc9") & in_force


def with_pharmacy_standing(
    claims: DataFrame, contract_pharmacy_lists: DataFrame | None, entity_npis: DataFrame | None
) -> DataFrame:
    """`claims` (with `contract`) with contract_pharmacy_is_listed (on the list of the claim's contract at the date of
    service) and contract_pharmacy_is_entity_owned (an NPI of a covered entity's own); NULL where the table is missing.

    The contract is the one that the claim names, else the one that governs it; is_listed is NULL where neither has an
    id, for then no list can be told to be the contract's.
    """
    contract_id = F.coalesce("contract_id", "contract.governing_contract_id")
    day = F.col("date_of_service")
    is_listed = is_owned = F.lit(None).cast("boolean")
    rows = claims
    if contract_pharmacy_lists is not None:
        rows = join_as_of(
            rows,
            contract_pharmacy_lists,
            key={"contract_id": contract_id, "pharmacy_npi": F.col("pharmacy_key")},
            day=day,
            start=F.col("begin_date"),
            end=F.col("end_date"),
            values={"is_listed": F.lit(True)},
            into="listing",
        )
        is_listed = F.when(contract_id.isNotNull(), F.col("listing").isNotNull())
    if entity_npis is not None:
        rows = join_as_of(
            rows,
            entity_npis,
            key={"npi": F.col("pharmacy_key")},
            day=day,
            start=F.col("valid_from"),
            end=F.col("valid_to"),
            values={"is_owned": F.lit(True)},
            into="ownership",
        )
        is_owned = F.col("ownership").isNotNull()
    return rows.select(
        *column_names(claims),
        is_listed.alias("contract_pharmacy_is_listed"),
        is_owned.alias("contract_pharmacy_is_entity_owned"),
    )
