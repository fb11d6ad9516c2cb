"""State 340B policies and rebate contracts that govern a claim at its date of service."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import MEDICAID_PROGRAMS
from engine.intervals import covers, join_as_of


def with_state_policy(claims: DataFrame, policies: DataFrame | None) -> DataFrame:
    """`claims` with state_340b_method: how the state tells 340B claims apart; NULL unknown, and off Medicaid.

    A policy for the claim's program goes before one for all programs.
    """
    if policies is None:
        return claims.withColumn("state_340b_method", F.lit(None).cast("string"))
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    state = F.when(is_medicaid, F.coalesce("state", "payer_id"))
    for_program = policies.where(F.col("program").isNotNull())
    for_all = policies.where(F.col("program").isNull())
    own = join_as_of(
        claims,
        for_program,
        key={"state": state, "program": F.col("program")},
        day=F.col("date_of_service"),
        start=F.col("begin_date"),
        end=F.col("end_date"),
        values={"own_method": F.col("method")},
    )
    both = join_as_of(
        own,
        for_all,
        key={"state": state},
        day=F.col("date_of_service"),
        start=F.col("begin_date"),
        end=F.col("end_date"),
        values={"general_method": F.col("method")},
    )
    return both.select(*claims.columns, F.coalesce("own_method", "general_method").alias("state_340b_method"))


# What a contract row says of which claims it governs, and what else it holds.
_CONTRACT_FIELDS = (
    "program",
    "contract_id",
    "rebate_type",
    "ndc9",
    "excludes_340b",
    "exclusion_scope",
    "begin_date",
    "end_date",
)


def with_contract(claims: DataFrame, contracts: DataFrame | None) -> DataFrame:
    """`claims` with the 340B terms of the rebate contract in force; NULL where there is no such contract.

    The contract's payer must be the claim's; program, contract id, rebate type and NDC-9 must not contradict it (NULL
    in the contract: all; contract id: also where the claim names none). The row that says most wins, in the order
    contract id, NDC-9, rebate type, program, then the latest begin. contract_key names it.
    """
    if contracts is None:
        return claims.withColumns(
            {
                "contract_excludes_340b": F.lit(None).cast("boolean"),
                "contract_exclusion_scope": F.lit(None).cast("string"),
                "contract_key": F.lit(None).cast("string"),
                "contract_begin_date": F.lit(None).cast("date"),
                "contract_end_date": F.lit(None).cast("date"),
            }
        )
    by_payer = (
        contracts.where(F.col("payer_id").isNotNull())
        .groupBy(F.col("payer_id").alias("contract_payer_id"))
        .agg(F.sort_array(F.collect_set(F.struct(*_CONTRACT_FIELDS))).alias("contracts"))
    )
    joined = claims.join(F.broadcast(by_payer), on=F.col("payer_id") == F.col("contract_payer_id"), how="left")
    ranked = F.transform(
        F.filter("contracts", _governs),
        lambda contract: F.struct(
            *(
                contract[name].isNotNull().alias(f"has_{name}")
                for name in ("contract_id", "ndc9", "rebate_type", "program")
            ),
            F.coalesce(contract["begin_date"], F.lit("0001-01-01").cast("date")).alias("from"),
            contract.alias("contract"),
        ),
    )
    chosen = F.array_max(ranked)["contract"]
    return joined.withColumn("contract", chosen).select(
        *claims.columns,
        F.col("contract.excludes_340b").alias("contract_excludes_340b"),
        F.col("contract.exclusion_scope").alias("contract_exclusion_scope"),
        F.when(
            F.col("contract").isNotNull(),
            F.concat_ws(
                "/", "payer_id", "contract.program", "contract.contract_id", "contract.rebate_type", "contract.ndc9"
            ),
        ).alias("contract_key"),
        F.col("contract.begin_date").alias("contract_begin_date"),
        F.col("contract.end_date").alias("contract_end_date"),
    )


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
    """`claims` with contract_pharmacy_is_listed (on the claim's contract's list at the date of service) and
    contract_pharmacy_is_entity_owned (an NPI of a covered entity's own); NULL where the table is missing.
    """
    if contract_pharmacy_lists is None:
        listed = claims.withColumn("contract_pharmacy_is_listed", F.lit(None).cast("boolean"))
    else:
        listed = join_as_of(
            claims,
            contract_pharmacy_lists,
            key={"contract_id": F.col("contract_id"), "pharmacy_npi": F.col("pharmacy_key")},
            day=F.col("date_of_service"),
            start=F.col("begin_date"),
            end=F.col("end_date"),
            values={"contract_pharmacy_is_listed": F.lit(True)},
        ).withColumn("contract_pharmacy_is_listed", F.coalesce("contract_pharmacy_is_listed", F.lit(False)))
    if entity_npis is None:
        return listed.withColumn("contract_pharmacy_is_entity_owned", F.lit(None).cast("boolean"))
    owned = join_as_of(
        listed,
        entity_npis,
        key={"npi": F.col("pharmacy_key")},
        day=F.col("date_of_service"),
        start=F.col("valid_from"),
        end=F.col("valid_to"),
        values={"contract_pharmacy_is_entity_owned": F.lit(True)},
    )
    return owned.withColumn(
        "contract_pharmacy_is_entity_owned", F.coalesce("contract_pharmacy_is_entity_owned", F.lit(False))
    )
