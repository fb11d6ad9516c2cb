"""HRSA 340B OPAIS: covered entities and contract pharmacies, as extracts and as the official daily JSON.

OPAIS tells the present state: late edits rewrite history, so keep daily files. It has no NPI of contract pharmacies.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.tables import TABLES
from engine.sources.adapters.layout import Adapter, Layout, iso_date

# An entity that OPAIS calls not participating, without any date, has never been one on a date of service.
_NOT_YET = "9999-12-30"  # the last day that is no placeholder: those mean no bound


def opais_entities(rows: DataFrame, table: str, options: Mapping[str, str]) -> DataFrame:
    """An extract of covered entities, one row per 340B id, as `covered_entities`."""
    del options
    return _extract(rows, table, {"street": "street|address"})


def opais_contract_pharmacies(rows: DataFrame, table: str, options: Mapping[str, str]) -> DataFrame:
    """An extract of contracts, one row per entity, pharmacy and contract, as `contract_pharmacies`.

    Rows that stand twice in the extract are given twice.
    """
    del options
    return _extract(rows, table, {})


def _extract(rows: DataFrame, table: str, sources: Mapping[str, str]) -> DataFrame:
    layout = Layout(rows)
    names = {name: sources.get(name, name) for name in TABLES[table].column_names}
    columns = layout.renamed(names)
    dates = {"participating_start", "begin_date", "termination_date"}
    given = rows.select(*columns)
    return given.select(*(iso_date(F.col(name)).alias(name) if name in dates else name for name in given.columns))


def _struct(*names: str, **kinds: T.DataType) -> T.StructType:
    fields = [T.StructField(name, T.StringType()) for name in names]
    return T.StructType(fields + [T.StructField(name, kind) for name, kind in kinds.items()])


_ADDRESS = _struct("addressLine1", "addressLine2", "addressLine3", "city", "state", "zip")
_OF_TABLE = {
    "covered_entities": _struct(
        "id340B",
        "name",
        "entityType",
        "participating",
        "participatingStartDate",
        "terminationDate",
        streetAddress=_ADDRESS,
        primaryContact=_struct("name", "phoneNumber", "phoneNumberExtension"),
    ),
    "contract_pharmacies": _struct(
        "id340B",
        contractPharmacies=T.ArrayType(
            _struct("contractId", "name", "phoneNumber", "beginDate", "terminationDate", address=_ADDRESS)
        ),
    ),
    "medicaid_exclusions": _struct(
        "id340B",
        medicaidNumbers=T.ArrayType(_struct("medicaidNumber", "state")),
        npiNumbers=T.ArrayType(_struct("npiNumber", "state")),
    ),
}


def opais_json(rows: DataFrame, table: str, options: Mapping[str, str]) -> DataFrame:
    """The covered entity daily export (`OPA_CE_DAILY_PUBLIC.JSON`) as the table that is asked of it.

    - `covered_entities`: one row per 340B id. An entity that is not participating and has neither a start nor a
      termination date starts on 9999-12-30: never yet.
    - `contract_pharmacies`: one row per contract of an entity; the export names no NPI.
    - `medicaid_exclusions`: one row per billing number or NPI with its state, for the quarter in the option `quarter`
      (`options: {quarter: 2026Q2}`): the export is not the quarterly Medicaid Exclusion File but what that is made of.

    Source: HRSA OPAIS, 42 U.S.C. 256b(d)(2)(B)(iv). Dates come as ISO timestamps with seven fractional digits.
    """
    entities = rows.select(F.explode("coveredEntities").alias("entity"))
    return _FROM_JSON[table](entities, options)


def _entities(entities: DataFrame, options: Mapping[str, str]) -> DataFrame:
    del options
    start, end = _text("participatingStartDate"), _text("terminationDate")
    is_pending = (F.upper(_text("participating")) == "FALSE") & start.isNull() & end.isNull()
    contact = F.col("entity.primaryContact")
    extension = F.concat(F.lit(" x"), contact["phoneNumberExtension"])
    return entities.select(
        _text("id340B").alias("entity_id"),
        _text("entityType").alias("entity_type"),
        _text("name").alias("name"),
        *_address(F.col("entity.streetAddress"), "street"),
        contact["name"].alias("contact_name"),
        F.concat(contact["phoneNumber"], F.coalesce(extension, F.lit(""))).alias("contact_phone"),
        F.when(is_pending, _NOT_YET).otherwise(iso_date(start)).alias("participating_start"),
        iso_date(end).alias("termination_date"),
    )


def _contract_pharmacies(entities: DataFrame, options: Mapping[str, str]) -> DataFrame:
    del options
    contracts = entities.select(
        _text("id340B").alias("entity_id"), F.explode("entity.contractPharmacies").alias("contract")
    )
    contract = F.col("contract")
    return contracts.select(
        "entity_id",
        contract["contractId"].alias("contract_id"),
        contract["name"].alias("pharmacy_name"),
        *_address(contract["address"], "address"),
        contract["phoneNumber"].alias("phone"),
        iso_date(contract["beginDate"]).alias("begin_date"),
        iso_date(contract["terminationDate"]).alias("termination_date"),
    )


def _exclusions(entities: DataFrame, options: Mapping[str, str]) -> DataFrame:
    quarter = F.lit(options.get("quarter")).cast("string").alias("quarter")
    nothing = F.lit(None).cast("string")
    numbers = entities.select(_text("id340B").alias("entity_id"), F.explode("entity.medicaidNumbers").alias("listed"))
    npis = entities.select(_text("id340B").alias("entity_id"), F.explode("entity.npiNumbers").alias("listed"))
    by_number = numbers.select(
        "entity_id",
        nothing.alias("npi"),
        F.col("listed.medicaidNumber").alias("medicaid_number"),
        F.col("listed.state").alias("medicaid_state"),
        quarter,
    )
    by_npi = npis.select(
        "entity_id",
        F.col("listed.npiNumber").alias("npi"),
        nothing.alias("medicaid_number"),
        F.col("listed.state").alias("medicaid_state"),
        quarter,
    )
    return by_number.unionByName(by_npi)


def _text(name: str) -> Column:
    return F.col(f"entity.{name}")


def _address(address: Column, street: str) -> list[Column]:
    lines = F.concat_ws(", ", *(F.nullif(F.trim(address[f"addressLine{n}"]), F.lit("")) for n in (1, 2, 3)))
    return [F.nullif(lines, F.lit("")).alias(street), *(address[part].alias(part) for part in ("city", "state", "zip"))]


_FROM_JSON = {
    "covered_entities": _entities,
    "contract_pharmacies": _contract_pharmacies,
    "medicaid_exclusions": _exclusions,
}


def _document(table: str) -> T.StructType:
    return _struct(coveredEntities=T.ArrayType(_OF_TABLE[table]))


OPAIS_ENTITIES = Adapter(("covered_entities",), opais_entities, ("entity_id",))
OPAIS_CONTRACT_PHARMACIES = Adapter(("contract_pharmacies",), opais_contract_pharmacies, ("entity_id", "pharmacy_name"))
OPAIS_JSON = Adapter(
    tuple(_OF_TABLE),
    opais_json,
    ("coveredEntities",),
    format="json",
    schema=_document,
    options_needed={"medicaid_exclusions": ("quarter",)},
)
