"""HRSA 340B OPAIS: covered entities, their contract pharmacies and the Medicaid Exclusion File.

OPAIS has the present state: late edits rewrite history, so keep daily files. It has no NPI of contract pharmacies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.tables import TABLES
from engine.errors import InputError, Problem
from engine.sources.adapters.layout import Adapter, Layout, iso_date

# An entity that OPAIS calls not participating, without any date, has never been one on a date of service.
_NOT_YET = "9999-12-30"  # the last day that is not a placeholder (a placeholder means no bound)


def opais_entities(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """An extract of covered entities, one row per 340B id, as `covered_entities`."""
    del options
    return _extract(rows, table, {"street": "street|address"})


def opais_contract_pharmacies(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """An extract of contracts, one row per entity, pharmacy and contract, as `contract_pharmacies`.

    Rows that occur twice in the extract are returned twice.
    """
    del options
    return _extract(rows, table, {})


def _extract(rows: DataFrame, table: str, sources: Mapping[str, str]) -> DataFrame:
    layout = Layout(rows)
    names = {name: sources.get(name, name) for name in TABLES[table].column_names}
    columns = layout.renamed(names)
    dates = {"participating_start", "begin_date", "termination_date"}
    extract = rows.select(*columns)
    return extract.select(*(iso_date(F.col(name)).alias(name) if name in dates else name for name in extract.columns))


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


def opais_json(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """The covered entity daily export (`OPA_CE_DAILY_PUBLIC.JSON`) as the requested table.

    - `covered_entities`: one row per 340B id. An entity that is not participating and has neither a start nor a
      termination date starts on 9999-12-30: never yet.
    - `contract_pharmacies`: one row per contract of an entity; the export names no NPI.
    - `medicaid_exclusions`: one row per billing number or NPI with its state, for the quarter in the option `quarter`
      (`options: {quarter: 2026Q2}`): the export is not the quarterly Medicaid Exclusion File but what that is made of.

    Source: HRSA OPAIS, 42 U.S.C. 256b(d)(2)(B)(iv). Dates come as ISO timestamps with seven fractional digits.
    """
    entities = rows.select(F.explode("coveredEntities").alias("entity"))
    return _FROM_JSON[table](entities, options)


def _entities(entities: DataFrame, options: Mapping[str, Any]) -> DataFrame:
    del options
    start, end = _text("participatingStartDate"), _text("terminationDate")
    contact = F.col("entity.primaryContact")
    extension = F.concat(F.lit(" x"), contact["phoneNumberExtension"])
    return entities.select(
        _text("id340B").alias("entity_id"),
        _text("entityType").alias("entity_type"),
        _text("name").alias("name"),
        *_address(F.col("entity.streetAddress"), "street"),
        contact["name"].alias("contact_name"),
        F.concat(contact["phoneNumber"], F.coalesce(extension, F.lit(""))).alias("contact_phone"),
        _participating_start(_text("participating"), start, end),
        iso_date(end).alias("termination_date"),
    )


def _participating_start(participating: Column, start: Column, end: Column) -> Column:
    is_pending = (F.upper(participating) == "FALSE") & start.isNull() & end.isNull()
    return F.when(is_pending, _NOT_YET).otherwise(iso_date(start)).alias("participating_start")


def _contract_pharmacies(entities: DataFrame, options: Mapping[str, Any]) -> DataFrame:
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


def _exclusions(entities: DataFrame, options: Mapping[str, Any]) -> DataFrame:
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


def excel_entities(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """Worksheet `Covered Entities` of the daily report as `covered_entities`: one row per 340B id.

    Source: HRSA OPAIS, Covered Entity Daily Report (Excel). An entity that is not participating and has neither a
    start nor a termination date starts on 9999-12-30: not yet.
    """
    del table, options
    layout = Layout(rows)
    start = layout.text("Participating Start Date", "Start Date")
    end = layout.text("Termination Date", "Term Date")
    return rows.select(
        layout.text(*_ENTITY_ID).alias("entity_id"),
        *layout.renamed(
            {
                "parent_entity_id": "Parent 340B ID",
                "entity_type": "Entity Type|Program Code",
                "name": "Entity Name|Name",
                "city": "Street City|City",
                "state": "Street State|State",
                "zip": "Street Zip|Zip",
                "contact_name": "Primary Contact Name|Contact Name",
                "contact_phone": "Primary Contact Phone|Primary Contact Phone Number|Contact Telephone",
            }
        ),
        _joined_lines(layout, "Street Address", "Address").alias("street"),
        _participating_start(layout.text("Participating"), start, end),
        iso_date(end).alias("termination_date"),
    )


def excel_contract_pharmacies(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """Worksheet `Contract Pharmacies` of the daily report as `contract_pharmacies`: one row per contract.

    Source: HRSA OPAIS, Covered Entity Daily Report (Excel).
    """
    del table, options
    layout = Layout(rows)
    return rows.select(
        layout.text(*_ENTITY_ID).alias("entity_id"),
        *layout.renamed(
            {
                "contract_id": "Contract ID",
                "pharmacy_name": "Pharmacy Name",
                "city": "Pharmacy City",
                "state": "Pharmacy State",
                "zip": "Pharmacy Zip",
                "phone": "Pharmacy Phone|Pharmacy Phone Number|Pharmacy Telephone",
            }
        ),
        _joined_lines(layout, "Pharmacy Address").alias("address"),
        iso_date(layout.text("Contract Begin Date", "Begin Date", "Pharmacy Begin Date")).alias("begin_date"),
        iso_date(
            layout.text("Contract Termination Date", "Contract Term Date", "Termination Date", "Pharmacy Term Date")
        ).alias("termination_date"),
    )


def _joined_lines(layout: Layout, *names: str) -> Column:
    lines = (layout.text(*(f"{name} {n}" for name in names)) for n in (1, 2, 3))
    return F.coalesce(F.nullif(F.concat_ws(", ", *lines), F.lit("")), layout.text(*names))


def medicaid_exclusion_file(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """The quarterly Medicaid Exclusion File as `medicaid_exclusions`: one row per row as published.

    Source: HRSA OPAIS, Medicaid Exclusion Files (42 U.S.C. 256b(a)(5)(A)(ii)). Being listed means that the entity bills
    its 340B stock to fee-for-service Medicaid of `Medicaid State` in that quarter (carve-in); `State` is where the
    entity is, and the dates are those of its 340B participation. The quarter is that of the dates in the file's name
    (`..._for_20260401-20260630.xlsx`), else the option `quarter`. Raises InputError if neither is available.
    """
    quarter = quarter_of_file(options, table)
    layout = Layout(rows)
    return rows.select(
        layout.text(*_ENTITY_ID).alias("entity_id"),
        layout.received(*_MEF_NPI).alias("npi"),
        layout.text(*_MEF_NUMBER).alias("medicaid_number"),
        layout.text(*_MEF_STATE).alias("medicaid_state"),
        F.lit(quarter).alias("quarter"),
    )


def quarter_of_file(options: Mapping[str, Any], table: str) -> str:
    """The quarter whose days a file has in its name, else the option `quarter`; InputError if there is neither."""
    name = str(options.get("file_name", ""))
    first_day = re.search(r"(20\d{2})(01|04|07|10)01-20\d{6}", name)
    if first_day:
        return f"{first_day[1]}Q{int(first_day[2]) // 3 + 1}"
    if "quarter" in options:
        return str(options["quarter"])
    raise InputError(
        Problem(
            f"the quarter of a file of table {table} is not known",
            name,
            expected="dates in its name, as HRSA writes them: ..._for_20260401-20260630.xlsx",
            to_do=f"restore the name, or set input.tables.{table}.options.quarter",
        )
    )


_ENTITY_ID = ("340B ID", "340BID", "HRSA 340B ID")
_MEF_NPI = ("NPI", "NPI Number")
_MEF_NUMBER = ("Medicaid Number", "Medicaid Provider Number")
_MEF_STATE = ("Medicaid State", "Medicaid Billing State")
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
OPAIS_EXCEL_ENTITIES = Adapter(
    ("covered_entities",),
    excel_entities,
    ("|".join(_ENTITY_ID), "Entity Type|Program Code"),
    header_names=("340B ID", "Participating"),
    identifiers=(*_ENTITY_ID, "Parent 340B ID", "Street Zip", "Zip"),
)
OPAIS_EXCEL_CONTRACT_PHARMACIES = Adapter(
    ("contract_pharmacies",),
    excel_contract_pharmacies,
    ("|".join(_ENTITY_ID), "Pharmacy Address 1|Pharmacy Address"),
    header_names=("340B ID", "Pharmacy City"),
    identifiers=(*_ENTITY_ID, "Pharmacy Zip"),
)
MEDICAID_EXCLUSION_FILE = Adapter(
    ("medicaid_exclusions",),
    medicaid_exclusion_file,
    ("|".join(_ENTITY_ID), "|".join((*_MEF_NPI, *_MEF_NUMBER)), "|".join(_MEF_STATE)),
    header_names=("340B ID", "State"),
    own_options=("quarter",),
    identifiers=(*_ENTITY_ID, *_MEF_NUMBER),
    by_file=True,
)
