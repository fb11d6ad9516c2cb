"""Turn every received row into one typed row that lists its problems (contract parts 1 to 3).

Two projections: the first trims text and normalizes identifiers, the second does everything else. As one generated
method they would take about twice as long on wide feeds, even if the JVM is configured to compile it: see `_chosen`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.claim_key import CLAIM_KEY
from engine.contracts.codes import ClaimType, Reason, damaged, invalid, missing
from engine.contracts.columns import Kind, Table
from engine.contracts.formats import NOTHING_DECLARED, DeclaredFormats
from engine.contracts.prepared import (
    JUDGEMENT,
    PREPARED_ENTITY_CLAIMS,
    PREPARED_INVOICES,
    PREPARED_PHARMACY_CLAIMS,
    PREPARED_REBATE_CLAIMS,
)
from engine.dates import known_day
from engine.prepare import identifiers
from engine.prepare.conversions import conversion
from engine.prepare.lookups import ncpdp_lookup, ndc10_lookup
from engine.prepare.row_ids import row_name
from engine.runtime.expressions import any_of, json_object, text_of

_PREPARED = {
    "rebate_claims": PREPARED_REBATE_CLAIMS,
    "pharmacy_claims": PREPARED_PHARMACY_CLAIMS,
    "entity_claims": PREPARED_ENTITY_CLAIMS,
    "invoices": PREPARED_INVOICES,
}
# Tables that conforming other tables needs, in dependency order.
LOOKUPS = ("products", "pharmacies")
# Derived from other columns whenever live rows are read: cheaper than writing and reading them.
_MADE_LATER = (
    "ndc9",
    "labeler_code",
    "script_key",
    "dispense_hash",
    "ndc_units",
    "lineage",
    "claim_ordinal",
)

_STRINGS = T.ArrayType(T.StringType())
# Words that programs write for NULL. Undeclared ones are reported, not read as NULL.
_NULL_WORDS = ("NULL", "null", "\\N")
_BETWEEN = "~"
# A placeholder for an unknown day.
_NO_DAY = date(9999, 12, 31)


def conformed_schema(table: Table) -> T.StructType:
    """What `conform` returns for a table; `ndc` is split into `ndc_raw` and `ndc11`."""
    prepared = _PREPARED.get(table.name)
    if prepared is not None:
        fields = [field for field in prepared.fields if field.name not in _MADE_LATER]
    else:
        fields = [field for field in table.schema.fields if field.name != "ndc"]
        if _has_ndc(table):
            fields += [T.StructField("ndc_raw", T.StringType()), T.StructField("ndc11", T.StringType())]
    return T.StructType([T.StructField("row_id", T.LongType()), *fields, *JUDGEMENT.fields])


def conform(
    rows: DataFrame,
    table: Table,
    *,
    as_of: date,
    formats: DeclaredFormats = NOTHING_DECLARED,
    among: DataFrame | None = None,
    products: DataFrame | None = None,
    pharmacies: DataFrame | None = None,
) -> DataFrame:
    """Typed rows of `table`, one per received row, with the schema of `conformed_schema`.

    Judgment columns: problems: reasons for quarantine, in contract order; NULL for a good row. left_as: `AFTER_AS_OF`
    or `NOT_340B`; such a row is never quarantined, whatever else is wrong with it. raw: JSON of the row as received,
    for rows with problems. coerced: columns whose bad value became NULL; coerced_values: those values as text.
    null_words: `column=word` for a text that is a word for NULL and not declared in `formats.nulls`. row_id: a join
    key, never an order; it is stable only once the result is written.

    Args:
        rows: contract columns in any received type; columns may be absent.
        table: the contract of the table.
        as_of: rows received later are dropped.
        formats: formats that the configuration declares for the table.
        among: one column `row_name`; only these rows are returned, each with `raw`.
        products: conformed table that resolves ten-digit NDCs; without it they are ambiguous. Ten-digit NDCs of
            `products` itself are resolved by its other rows.
        pharmacies: conformed table that resolves NCPDP ids; without it they stay `NCPDP:<id>`.

    Every entity is its own parent until `with_parents` runs on all entities.
    """
    joined = _with_lookups(_texts(rows, table, formats), table, products, pharmacies)
    draft = _typed(rows.schema, table, formats)
    _settle_identifiers(draft, table, set(joined.columns))
    if among is not None:
        joined = joined.join(F.broadcast(among), row_name(table, draft.values) == among["row_name"], how="left_semi")
    draft.values["row_id"] = F.col("row_id")
    draft.values |= _judgement(draft, table, rows.schema, as_of, formats, keeps_raw=among is not None)
    return joined.select(*(draft.values[name].alias(name) for name in conformed_schema(table).names))


@dataclass
class _Draft:
    """Expressions over the columns of `_texts` and the lookups.

    values: by column name. bad, damaged: by column name, the condition for a bad value or a damaged identifier.
    bounds: for columns that begin or end an interval, the value before a placeholder date became NULL.
    """

    values: dict[str, Column] = field(default_factory=dict)
    bad: dict[str, Column] = field(default_factory=dict)
    damaged: dict[str, Column] = field(default_factory=dict)
    bounds: dict[str, Column] = field(default_factory=dict)


def _has_ndc(table: Table) -> bool:
    return any(column.kind is Kind.NDC for column in table.columns)


def _has_rx_number(table: Table) -> bool:
    return "rx_number" in table.column_names


def _texts(rows: DataFrame, table: Table, formats: DeclaredFormats) -> DataFrame:
    """The received columns, text without surrounding white space, and NDC and Rx number as received.

    is_unusual: a text of the row has white space at its end, a character other than printable ASCII, or looks like a
    damaged identifier or a word for NULL. One test of all texts together selects the few such rows; only their values
    are tested one by one. received_texts: all texts of an unusual row as received.
    """
    received = rows.schema
    texts = _text_names(received)
    if not texts:
        marked = rows.withColumn("is_unusual", F.lit(False))
    else:
        marked = rows.withColumn("is_unusual", _is_unusual(texts, formats))
    outputs = [F.monotonically_increasing_id().alias("row_id"), F.col("is_unusual")]
    for name in received.names:
        outputs.append(_text(name, formats).alias(name) if name in texts else F.col(name))
    if texts:
        outputs.append(F.when(F.col("is_unusual"), F.struct(*texts)).alias("received_texts"))
    if _has_ndc(table):
        outputs.append(_received_text("ndc", received).alias("given_ndc"))
    if _has_rx_number(table):
        as_received = _received_text("rx_number", received)
        clean = _text("rx_number", formats) if "rx_number" in texts else as_received
        outputs += [
            as_received.alias("given_rx_number"),
            identifiers.rx_number(clean).alias("given_rx_normal"),
        ]
    return marked.select(*outputs)


def _received_text(name: str, received: T.StructType) -> Column:
    """A received column as text; NULL if the rows have no such column."""
    if name not in received.names:
        return F.lit(None).cast("string")
    return text_of(F.col(name), received[name].dataType)


def _is_unusual(texts: list[str], formats: DeclaredFormats) -> Column:
    # separators make the ends of values visible; a separator within a value only makes a row look unusual
    all_texts = F.concat_ws(_BETWEEN, F.lit(""), *texts, F.lit(""))
    marks = [f" {_BETWEEN}", f"{_BETWEEN} ", "E+", "e+"]
    marks += [f"{_BETWEEN}{word}{_BETWEEN}" for word in dict.fromkeys((*_NULL_WORDS, *formats.nulls))]
    return any_of([all_texts.rlike("[^ -~]"), *(all_texts.contains(mark) for mark in marks)])


def _text(name: str, formats: DeclaredFormats) -> Column:
    text = F.col(name)
    clean = identifiers.stripped(text)
    if formats.nulls:
        clean = F.when(~clean.isin(*formats.nulls), clean)
    return F.when(F.col("is_unusual"), clean).otherwise(text)


def _text_names(received: T.StructType) -> list[str]:
    return [field.name for field in received.fields if isinstance(field.dataType, T.StringType)]


def _with_lookups(
    texts: DataFrame,
    table: Table,
    products: DataFrame | None,
    pharmacies: DataFrame | None,
) -> DataFrame:
    """Join the small lookup tables to the rows; each lookup has at most one row per key."""
    joined = texts
    schema = texts.schema
    received_ndc = _received_text("ndc", schema)
    product_ndcs = None if products is None else products.select("ndc11")
    if product_ndcs is None and table.name == "products":
        product_ndcs = texts.select(identifiers.ndc11(received_ndc).alias("ndc11"))
    if product_ndcs is not None and _has_ndc(table):
        ten_digits = F.when(identifiers.is_ndc10(received_ndc), received_ndc)
        lookup = F.broadcast(ndc10_lookup(product_ndcs))
        joined = joined.join(lookup, ten_digits == F.col("lookup_ndc10"), how="left")
    if pharmacies is not None and "pharmacy_ncpdp_id" in schema.names:
        lookup = F.broadcast(ncpdp_lookup(pharmacies))
        joined = joined.join(lookup, F.col("pharmacy_ncpdp_id") == F.col("lookup_ncpdp"), how="left")
    return joined


def _typed(arrived: T.StructType, table: Table, formats: DeclaredFormats) -> _Draft:
    draft = _Draft()
    types = {field.name: field.dataType for field in arrived.fields}
    for column in table.columns:
        name, target = column.name, column.kind.spark_type
        if name not in types:
            draft.values[name] = F.lit(column.default).cast(target)
            continue
        converted = conversion(column, F.col(name), types[name], formats)
        value = converted.value
        if column.kind.is_identifier and isinstance(types[name], T.StringType):
            draft.damaged[name] = F.col("is_unusual") & F.coalesce(identifiers.is_damaged(F.col(name)), F.lit(False))
            if column.kind is Kind.IDENTIFIER:
                value = F.when(~draft.damaged[name], value)
        if converted.can_fail:
            draft.bad[name] = converted.is_present & converted.value.isNull()
        if column.default is not None:
            # a default replaces an absent value, never a bad one
            value = F.when(converted.is_present, value).otherwise(F.lit(column.default).cast(target))
        if column.is_bound:
            draft.bounds[name] = value
            value = known_day(value)
        draft.values[name] = value
    return draft


def _settle_identifiers(draft: _Draft, table: Table, joined: set[str]) -> None:
    values = draft.values
    if _has_ndc(table):
        by_product = [F.col("lookup_ndc10_is")] if "lookup_ndc10_is" in joined else []
        values["ndc_raw"] = F.when(values["ndc"].isNotNull(), F.col("given_ndc"))
        values["ndc11"] = F.coalesce(identifiers.ndc11(values["ndc"]), *by_product)
        draft.bad["ndc"] = values["ndc"].isNotNull() & values["ndc11"].isNull()
    if table.name == "rebate_claims":
        made_of = F.concat(values["source_file"], F.lit("#"), values["source_row_no"].cast("string"))
        values["source_row_id"] = F.coalesce(values["source_row_id"], made_of)
    if table.name == "invoices":
        values["source_row_id"] = _invoice_row_id(values)
    if table.name == "entity_claims":
        values["parent_entity_id"] = values["entity_id"]
        values["is_340b_assumed"] = values["is_340b"].isNull()
    if _has_rx_number(table):
        _settle_prescription(values, joined)


def _settle_prescription(values: dict[str, Column], joined: set[str]) -> None:
    normal, rx_number = F.col("given_rx_normal"), values["rx_number"]
    values["rx_number_raw"] = F.when(rx_number.isNotNull(), F.col("given_rx_number"))
    values["rx_number"] = F.when(rx_number.isNotNull(), normal)
    values["fill_number"] = F.coalesce(values["fill_number"], identifiers.rx_fill_number(rx_number))
    rx_key = [F.when(rx_number.isNotNull() & identifiers.rx_is_key(normal), normal)]
    if "rx_number_hash" in values:
        rx_key.append(identifiers.hashed_rx_key(values["hash_scheme"], values["rx_number_hash"]))
    values["rx_key"] = F.coalesce(*rx_key)
    pharmacy = [values["pharmacy_npi"]]
    if "lookup_npi" in joined:
        pharmacy.append(F.col("lookup_npi"))
    if "pharmacy_ncpdp_id" in values:
        pharmacy.append(F.concat(F.lit("NCPDP:"), values["pharmacy_ncpdp_id"]))
    values["pharmacy_key"] = F.coalesce(*pharmacy)


def _invoice_row_id(values: dict[str, Column]) -> Column:
    """program/state/ndc11/period, plus /invoice_number/line_kind if the line has an invoice number or is not CURRENT.

    Then /sub_program and /rebate_type if present: one id per line.
    """
    line = F.concat_ws("/", *(values[name] for name in ("program", "state", "ndc11", "period")))
    has_number_or_kind = values["invoice_number"].isNotNull() | (values["line_kind"] != "CURRENT")
    number = F.coalesce(values["invoice_number"], F.lit(""))
    named = F.when(has_number_or_kind, F.concat_ws("/", line, number, values["line_kind"])).otherwise(line)
    return F.concat_ws("/", named, values["sub_program"], values["rebate_type"])


def _judgement(
    draft: _Draft, table: Table, received: T.StructType, as_of: date, formats: DeclaredFormats, keeps_raw: bool
) -> dict[str, Column]:
    problems = list(_problems(draft, table))
    has_problem = any_of(condition for condition, _ in problems)
    coerced = list(_coerced(draft, table, received))
    is_late = _is_after(draft, table, as_of)
    goes_to_quarantine = ~is_late & has_problem
    as_received = _as_received(received)
    left_as = F.when(is_late, Reason.AFTER_AS_OF.value)
    if table.name == "entity_claims":
        is_not_340b = ~draft.values["is_340b"] & (draft.values["status"] == "SUBMITTED") & ~has_problem
        left_as = left_as.when(is_not_340b, Reason.NOT_340B.value)
    is_coerced = ~is_late & any_of(condition for condition, *_ in coerced)
    return {
        "problems": F.when(goes_to_quarantine, _names(problems)),
        "left_as": left_as,
        "raw": as_received if keeps_raw else F.when(goes_to_quarantine, as_received),
        "coerced": F.when(is_coerced, _names([(condition, name) for condition, name, _ in coerced])),
        "coerced_values": F.when(is_coerced, _chosen([(condition, text) for condition, _, text in coerced])),
        "null_words": F.when(~is_late & F.col("is_unusual"), _null_words(received, formats)),
    }


def _null_words(received: T.StructType, formats: DeclaredFormats) -> Column:
    """`column=word` for each text that is an undeclared word for NULL; NULL if the row has none."""
    words = [word for word in _NULL_WORDS if word not in formats.nulls]
    texts = _text_names(received)
    if not words or not texts:
        return F.lit(None).cast(_STRINGS)
    undeclared = _chosen([(F.col(name).isin(*words), F.concat(F.lit(f"{name}="), name)) for name in texts])
    return F.when(F.size(undeclared) > 0, undeclared)


def _as_received(received: T.StructType) -> Column:
    """The received row as JSON, with every column."""
    texts = _text_names(received)

    def value(name: str) -> Column:
        if name not in texts:
            return F.col(name)
        return F.when(F.col("is_unusual"), F.col("received_texts")[name]).otherwise(F.col(name))

    return json_object({field.name: (value(field.name), field.dataType) for field in received.fields})


def _problems(draft: _Draft, table: Table) -> Iterator[tuple[Column, str]]:
    """Conditions for quarantine and their reason codes, in contract order."""
    groups = {group[0][0]: group for group in table.either}
    for column in table.columns:
        name = column.name
        if name in groups:
            yield from _either(groups[name], draft)
        elif column.required and column.kind is Kind.NDC:
            yield from _ndc_problems(name, draft)
        elif column.required:
            is_bad = draft.bad.get(name, F.lit(False)) | draft.damaged.get(name, F.lit(False))
            yield draft.bounds.get(name, draft.values[name]).isNull() & ~is_bad, missing(name)
            if name in draft.damaged:
                yield draft.damaged[name], damaged(name)
            if name in draft.bad:
                yield draft.bad[name], invalid(name)
        elif _is_in_claim_key(name, table) and name in draft.damaged:
            yield draft.damaged[name], damaged(name)
        elif column.decides_row and name in draft.bad:
            yield draft.bad[name], invalid(name)


def _is_in_claim_key(name: str, table: Table) -> bool:
    return table.name == "rebate_claims" and name in CLAIM_KEY


def _ndc_problems(name: str, draft: _Draft) -> Iterator[tuple[Column, str]]:
    text = draft.values[name]
    is_unsettled = text.isNotNull() & draft.values["ndc11"].isNull()
    is_damaged = draft.damaged.get(name, F.lit(False))
    yield text.isNull(), missing(name)
    yield is_unsettled & identifiers.is_ndc10(text), Reason.NDC_AMBIGUOUS.value
    yield is_unsettled & is_damaged, damaged(name)
    yield is_unsettled & ~is_damaged & ~identifiers.is_ndc10(text), Reason.NDC_INVALID.value


def _either(group: tuple[tuple[str, ...], ...], draft: _Draft) -> Iterator[tuple[Column, str]]:
    """Problems of an either-group: with no complete member its first one is missing, unless a member is damaged."""
    lacks = _lacks_all_of(group, draft)
    damaged_names = [name for member in group for name in member if name in draft.damaged]
    yield lacks & ~any_of(draft.damaged[name] for name in damaged_names), missing(group[0][0])
    for name in damaged_names:
        yield lacks & draft.damaged[name], damaged(name)


def _lacks_all_of(group: tuple[tuple[str, ...], ...], draft: _Draft) -> Column:
    """True if no member of an either-group is complete; prescription numbers are required on RX lines only."""
    lacks = F.lit(True)
    for member in group:
        lacks = lacks & any_of(draft.values[name].isNull() for name in member)
    if group[0] == ("rx_number",):
        return lacks & F.coalesce(draft.values["claim_type"] == ClaimType.RX.value, F.lit(False))
    return lacks


def _coerced(draft: _Draft, table: Table, received: T.StructType) -> Iterator[tuple[Column, str, Column]]:
    """Conditions for received values that become NULL without quarantining the row, with the column and the value as
    text.
    """
    of_member = {name: group for group in table.either for member in group for name in member}
    for column in table.columns:
        name = column.name
        if name not in received.names or column.required or (column.decides_row and name in draft.bad):
            continue
        conditions = [draft.bad[name]] if name in draft.bad else []
        if name in draft.damaged and column.kind is Kind.IDENTIFIER and not _is_in_claim_key(name, table):
            is_damaged = draft.damaged[name]
            conditions.append(is_damaged & ~_lacks_all_of(of_member[name], draft) if name in of_member else is_damaged)
        if conditions:
            is_text = not isinstance(received[name].dataType, (T.ArrayType, T.MapType, T.StructType, T.VariantType))
            as_text = _received_text(name, received) if is_text else F.lit(None).cast("string")
            yield any_of(conditions), name, as_text


def _is_after(draft: _Draft, table: Table, as_of: date) -> Column:
    """True if the row was received, or can first have been known, after the as-of day (UTC); a NULL time or the
    placeholder counts as before.
    """
    next_day = F.lit(f"{as_of + timedelta(days=1)} 00:00:00+00:00").cast("timestamp")

    def timestamps(names: Iterable[str]) -> list[Column]:
        values = (draft.values[name] for name in names)
        return [F.when(value.cast("date") != F.lit(_NO_DAY), value).cast("timestamp") for value in values]

    days = timestamps(table.known_on)
    if table.received:
        days.append(F.coalesce(*timestamps(table.received)))
    return any_of(F.coalesce(day >= next_day, F.lit(False)) for day in days) if days else F.lit(False)


def _names(conditions: Iterable[tuple[Column, str]]) -> Column:
    """Names with a true condition, in order."""
    return _chosen([(condition, F.lit(name)) for condition, name in conditions])


def _chosen(conditions: Sequence[tuple[Column, Column]]) -> Column:
    """Texts with a true condition, in order; NULL texts become empty.

    Spark excludes `filter` from whole-stage code generation. That keeps the projection separate, and Spark splits it
    into short methods that the JVM compiles.
    """
    if not conditions:
        return F.lit(None).cast(_STRINGS)
    chosen = F.array(*(F.when(condition, F.coalesce(text, F.lit(""))) for condition, text in conditions))
    return F.filter(chosen, lambda text: text.isNotNull())
