"""Every received row becomes one typed row that says what is wrong with it (contract parts 1 to 3).

All columns of the result come from one projection. Its higher-order functions keep it out of whole-stage code
generation, whose one method would be too long for the JVM's compiler; on its own Spark splits it into short ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import ClaimType, Reason, invalid, missing
from engine.contracts.columns import Kind, Table, TableRole
from engine.contracts.prepared import (
    PREPARED_ENTITY_CLAIMS,
    PREPARED_INVOICES,
    PREPARED_PHARMACY_CLAIMS,
    PREPARED_REBATE_CLAIMS,
)
from engine.prepare import identifiers
from engine.prepare.conversions import conversion, text_of
from engine.prepare.lookups import ncpdp_lookup, ndc10_lookup, parent_lookup, parent_on

_PREPARED = {
    "rebate_claims": PREPARED_REBATE_CLAIMS,
    "pharmacy_claims": PREPARED_PHARMACY_CLAIMS,
    "entity_claims": PREPARED_ENTITY_CLAIMS,
    "invoices": PREPARED_INVOICES,
}
# Tables that others are conformed with, in the order in which they are needed.
LOOKUPS = ("products", "pharmacies", "covered_entities")
_ADDED_BY_NETTING = ("ndc_units", "claim_key_ordinal", "entity_claim_ordinal")

# When a feed's row was received; the first that is not NULL.
_RECEIVED_AT = {
    "rebate_claims": ("received_at",),
    "pharmacy_claims": ("received_at", "transaction_at"),
    "entity_claims": ("submitted_at",),
}

_JUDGEMENT = T.StructType(
    [
        T.StructField("problems", T.ArrayType(T.StringType())),
        T.StructField("left_as", T.StringType()),
        T.StructField("raw", T.StringType()),
        T.StructField("coerced", T.ArrayType(T.StringType())),
    ]
)


def conformed_schema(table: Table) -> T.StructType:
    """What `conform` returns for a table; `ndc` is split into `ndc_raw` and `ndc11`."""
    prepared = _PREPARED.get(table.name)
    if prepared is not None:
        fields = [field for field in prepared.fields if field.name not in _ADDED_BY_NETTING]
    else:
        fields = [field for field in table.schema.fields if field.name != "ndc"]
        if _has_ndc(table):
            fields += [T.StructField("ndc_raw", T.StringType()), T.StructField("ndc11", T.StringType())]
    return T.StructType([T.StructField("row_id", T.LongType()), *fields, *_JUDGEMENT.fields])


def conform(
    rows: DataFrame,
    table: Table,
    *,
    as_of: date,
    products: DataFrame | None = None,
    pharmacies: DataFrame | None = None,
    covered_entities: DataFrame | None = None,
) -> DataFrame:
    """Typed rows of `table`, one per received row, with the schema of `conformed_schema`.

    `rows` holds contract columns in any arrived type; columns may be absent. `products`, `pharmacies` and
    `covered_entities` are conformed tables: they settle ten-digit NDCs, NCPDP ids and parent entities. Without them
    ten-digit NDCs are ambiguous, NCPDP ids stay `NCPDP:<id>` and an entity is its own parent. Ten-digit NDCs of
    `products` itself are settled by its own other rows.

    problems: reasons for quarantine, in contract order; NULL where the row is good. left_as: `AFTER_AS_OF` or
    `NOT_340B`; such a row never goes to quarantine, whatever else is wrong with it. raw: JSON of the row as received,
    where there are problems. coerced: columns whose bad value became NULL. row_id: a join key, never an order; it
    holds only once the result is written.
    """
    draft = _typed(rows, table)
    joined = _with_lookups(rows, draft, table, products, pharmacies, covered_entities)
    _settle_identifiers(draft, table, set(joined.columns))
    draft.values["row_id"] = F.monotonically_increasing_id()
    draft.values |= _judgement(draft, table, rows, as_of)
    return joined.select(*(draft.values[name].alias(name) for name in conformed_schema(table).names))


@dataclass
class _Draft:
    """The expressions of a table's columns: values by name, what was bad, and identifiers as trimmed text."""

    values: dict[str, Column] = field(default_factory=dict)
    bad: dict[str, Column] = field(default_factory=dict)
    texts: dict[str, Column] = field(default_factory=dict)


def _has_ndc(table: Table) -> bool:
    return any(column.kind is Kind.NDC for column in table.columns)


def _typed(rows: DataFrame, table: Table) -> _Draft:
    arrived = {field.name: field.dataType for field in rows.schema.fields}
    draft = _Draft()
    for column in table.columns:
        name, target = column.name, column.kind.spark_type
        is_kept_as_received = column.kind is Kind.NDC or name == "rx_number"
        if name not in arrived:
            draft.values[name] = F.lit(column.default).cast(target)
            if is_kept_as_received:
                draft.texts[name] = draft.values[f"{name}_raw"] = F.lit(None).cast("string")
        elif is_kept_as_received:
            as_text = text_of(F.col(name), arrived[name])
            draft.texts[name] = identifiers.blank_to_null(as_text)
            draft.values[f"{name}_raw"] = F.when(draft.texts[name].isNotNull(), as_text)
        else:
            converted = conversion(column, F.col(name), arrived[name])
            has_default = column.default is not None
            draft.values[name] = (
                F.coalesce(converted.value, F.lit(column.default).cast(target)) if has_default else converted.value
            )
            if converted.can_fail:
                draft.bad[name] = converted.is_present & converted.value.isNull()
    return draft


def _with_lookups(
    rows: DataFrame,
    draft: _Draft,
    table: Table,
    products: DataFrame | None,
    pharmacies: DataFrame | None,
    covered_entities: DataFrame | None,
) -> DataFrame:
    """The received rows beside what the small tables say; each lookup has at most one row per key."""
    joined = rows
    product_ndcs = None if products is None else products.select("ndc11")
    if product_ndcs is None and table.name == "products":
        product_ndcs = rows.select(identifiers.ndc11(draft.texts["ndc"]).alias("ndc11"))
    if product_ndcs is not None and _has_ndc(table):
        text = draft.texts["ndc"]
        ten_digits = F.when(identifiers.is_ndc10(text), text)
        joined = joined.join(
            F.broadcast(ndc10_lookup(product_ndcs)), ten_digits == F.col("lookup_ndc10"), how="left"
        )
    if pharmacies is not None and "pharmacy_ncpdp_id" in rows.columns:
        npi, ncpdp = draft.values["pharmacy_npi"], draft.values["pharmacy_ncpdp_id"]
        joined = joined.join(
            F.broadcast(ncpdp_lookup(pharmacies)), F.when(npi.isNull(), ncpdp) == F.col("lookup_ncpdp"), how="left"
        )
    if covered_entities is not None and table.name == "entity_claims":
        joined = joined.join(
            F.broadcast(parent_lookup(covered_entities)),
            draft.values["entity_id"] == F.col("lookup_entity"),
            how="left",
        )
    return joined


def _settle_identifiers(draft: _Draft, table: Table, joined: set[str]) -> None:
    values, texts = draft.values, draft.texts
    if "ndc" in texts:
        by_product = [F.col("lookup_ndc10_is")] if "lookup_ndc10_is" in joined else []
        values["ndc11"] = F.coalesce(*by_product, identifiers.ndc11(texts["ndc"]))
        values["ndc9"] = F.left(values["ndc11"], F.lit(9))
        values["labeler_code"] = F.left(values["ndc11"], F.lit(5))
    if "rx_number" in texts:
        values["rx_number"] = identifiers.rx_number(texts["rx_number"])
        values["fill_number"] = F.coalesce(values["fill_number"], identifiers.rx_fill_number(texts["rx_number"]))
    if table.name == "rebate_claims":
        made_of = F.concat(values["source_file"], F.lit("#"), values["source_row_no"].cast("string"))
        values["source_row_id"] = F.coalesce(values["source_row_id"], made_of)
    if table.name == "invoices":
        values["source_row_id"] = _invoice_row_id(values)
    if table.name == "entity_claims":
        parent = parent_on(values["date_of_service"]) if "lookup_parents" in joined else F.lit(None).cast("string")
        values["parent_entity_id"] = F.coalesce(parent, values["entity_id"])
        values["is_340b_assumed"] = values["is_340b"].isNull()
    if "rx_number" in texts and table.role is TableRole.FEED:
        _settle_dispense_keys(values, joined)


def _settle_dispense_keys(values: dict[str, Column], joined: set[str]) -> None:
    pharmacy = [values["pharmacy_npi"]]
    if "lookup_npi" in joined:
        pharmacy.append(F.col("lookup_npi"))
    if "pharmacy_ncpdp_id" in values:
        pharmacy.append(F.concat(F.lit("NCPDP:"), values["pharmacy_ncpdp_id"]))
    values["pharmacy_key"] = F.coalesce(*pharmacy)
    rx_key = [F.when(identifiers.rx_is_key(values["rx_number"]), values["rx_number"])]
    if "rx_number_hash" in values:
        rx_key.append(identifiers.hashed_rx_key(values["hash_scheme"], values["rx_number_hash"]))
    values["rx_key"] = values["script_key"] = F.coalesce(*rx_key)
    if "claim_type" in values:
        is_medical = values["claim_type"] == ClaimType.MEDICAL.value
        values["script_key"] = F.when(is_medical, values["claim_id"]).otherwise(values["rx_key"])
    has_key = values["pharmacy_key"].isNotNull() & values["script_key"].isNotNull()
    by_dispense = F.xxhash64(values["pharmacy_key"], values["script_key"])
    values["dispense_hash"] = F.when(has_key, by_dispense).otherwise(F.xxhash64(values["source_row_id"]))


def _invoice_row_id(values: dict[str, Column]) -> Column:
    """program/state/ndc11/period, with /invoice_number/line_kind where there is an invoice number or another kind."""
    line = F.concat_ws("/", *(values[name] for name in ("program", "state", "ndc11", "period")))
    is_given = values["invoice_number"].isNotNull() | (values["line_kind"] != "CURRENT")
    number = F.coalesce(values["invoice_number"], F.lit(""))
    return F.when(is_given, F.concat_ws("/", line, number, values["line_kind"])).otherwise(line)


def _judgement(draft: _Draft, table: Table, rows: DataFrame, as_of: date) -> dict[str, Column]:
    problems = list(_problems(draft, table))
    has_problem = _any(condition for condition, _ in problems)
    coerced = list(_coerced(draft, table))
    is_late = _is_after(draft, table, as_of)
    goes_to_quarantine = ~is_late & has_problem
    as_received = F.to_json(F.struct(*(F.col(name) for name in rows.columns)), {"ignoreNullFields": "false"})
    left_as = F.when(is_late, Reason.AFTER_AS_OF.value)
    if table.name == "entity_claims":
        is_not_340b = ~draft.values["is_340b"] & (draft.values["status"] == "SUBMITTED") & ~has_problem
        left_as = left_as.when(is_not_340b, Reason.NOT_340B.value)
    return {
        "problems": F.when(goes_to_quarantine, _names(problems)),
        "left_as": left_as,
        "raw": F.when(goes_to_quarantine, as_received),
        "coerced": F.when(~is_late & _any(condition for condition, _ in coerced), _names(coerced)),
    }


def _problems(draft: _Draft, table: Table) -> Iterator[tuple[Column, str]]:
    """Conditions for quarantine and their reason codes, in contract order."""
    groups = {group[0][0]: group for group in table.either}
    for column in table.columns:
        name = column.name
        if name in groups:
            yield _lacks_all_of(groups[name], draft), missing(name)
        elif not column.required:
            continue
        elif column.kind is Kind.NDC:
            text = draft.texts[name]
            is_unsettled = text.isNotNull() & draft.values["ndc11"].isNull()
            yield text.isNull(), missing(name)
            yield is_unsettled & identifiers.is_ndc10(text), Reason.NDC_AMBIGUOUS.value
            yield is_unsettled & ~identifiers.is_ndc10(text), Reason.NDC_INVALID.value
        elif name in draft.bad:
            yield draft.values[name].isNull() & ~draft.bad[name], missing(name)
            yield draft.bad[name], invalid(name)
        else:
            yield draft.values[name].isNull(), missing(name)


def _lacks_all_of(group: tuple[tuple[str, ...], ...], draft: _Draft) -> Column:
    """True where no member of an either-group is whole; prescription numbers are asked of RX lines only."""
    lacks = F.lit(True)
    for member in group:
        lacks = lacks & _any(draft.values[name].isNull() for name in member)
    if group[0] == ("rx_number",):
        return lacks & (draft.values["claim_type"] == ClaimType.RX.value)
    return lacks


def _coerced(draft: _Draft, table: Table) -> Iterator[tuple[Column, str]]:
    for column in table.columns:
        if not column.required and column.name in draft.bad:
            yield draft.bad[column.name], column.name


def _is_after(draft: _Draft, table: Table, as_of: date) -> Column:
    """True where the row was received after the as-of day, UTC; a NULL time counts as received."""
    if table.name not in _RECEIVED_AT:
        return F.lit(False)
    next_day = F.lit(f"{as_of + timedelta(days=1)} 00:00:00+00:00").cast("timestamp")
    received_at = F.coalesce(*(draft.values[name] for name in _RECEIVED_AT[table.name]))
    return F.coalesce(received_at >= next_day, F.lit(False))


def _any(conditions: Iterable[Column]) -> Column:
    result = F.lit(False)
    for condition in conditions:
        result = result | condition
    return result


def _names(conditions: Iterable[tuple[Column, str]]) -> Column:
    return F.array_compact(F.array(*(F.when(condition, F.lit(name)) for condition, name in conditions)))
