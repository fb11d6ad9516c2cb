"""Facts on rebate claims: links, references as of the date of service, features, and the peers' usual values."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.facts import (
    CLAIM_FACTS,
    CLAIM_FEATURES,
    CORRECTED_FACTS,
    DUPLICATE_FACTS,
    ELSEWHERE_FACTS,
    TAKEN_BACK_FACTS,
    UNBILLED_FACTS,
    z_name,
)
from engine.contracts.links import LINKS_340B, LINKS_PHARMACY
from engine.entity_families import FAMILIES, at_parent_of_day
from engine.facts.agreements import with_contract, with_pharmacy_status, with_state_policy
from engine.facts.availability import FEATURES
from engine.facts.deadlines import DEADLINE_FACTS, deadlines_of_claims
from engine.facts.duplicates import with_repeats
from engine.facts.entities import with_entity_status
from engine.facts.exclusions import with_exclusion_file
from engine.facts.families import absent, flattened
from engine.facts.history import SERVICE_QUARTER
from engine.facts.identifiers_340b import FLAG_FACTS
from engine.facts.lineage import with_periods, with_reversals
from engine.facts.patients import with_patient_fills
from engine.facts.payers import with_line_of_business
from engine.facts.payments import lookback_quarters
from engine.facts.peers import quantile, robust_z, sampled, statistics, value_arrays
from engine.facts.pharmacies import with_contract_status, with_pharmacy_history
from engine.facts.prescribers import with_prescriber
from engine.facts.prices import with_market_price, with_prices
from engine.facts.products import with_labeler, with_product
from engine.facts.providers import prescriber_has_dea_number, with_npi_active
from engine.facts.purchases import with_purchases, with_units_claimed
from engine.facts.quantities import with_conversion
from engine.facts.reviews import with_reviews
from engine.facts.settlements import CLAIM_COLUMNS, with_claim_settlements
from engine.facts.unread import with_unread_rows
from engine.intervals import quarter_index, quarter_of
from engine.runtime.column_names import column_names
from engine.runtime.expressions import LOG_DECIMALS, log
from engine.runtime.keep import Keep, kept_in_place
from engine.settings import PeerSettings

UNITS = "f24_units_per_prescription"
FACTOR_DISTANCE = "f27_unit_factor_distance"
_STRATUM = ("ndc11", "program")
_FACTOR_TOLERANCE = 0.02
_SHIFTS = (10.0, 0.1, 1000.0, 0.001)
_MEASURED = tuple(feature for feature in CLAIM_FEATURES if feature != FACTOR_DISTANCE)

# Every fact on a flagged claim.
ALL_CLAIM_FACTS = T.StructType(
    [
        *CLAIM_FACTS.fields,
        *(T.StructField(feature.column, feature.kind) for feature in FEATURES if feature.kind is not None),
    ]
)

# Derived from peers only; added by `with_claim_peers`.
_OF_PEERS = {
    FACTOR_DISTANCE,
    "f27_unit_factor",
    "peers",
    "peer_median_units",
    "peer_median_units_per_day",
    *(z_name(feature) for feature in CLAIM_FEATURES),
}

# The claim columns that joins with links and references use.
_KEYS = (
    "source_row_id",
    "program",
    "payer_id",
    "state",
    "contract_id",
    "rebate_type",
    "pharmacy_npi",
    "pharmacy_key",
    "medicaid_provider_id",
    "date_of_service",
    "period",
    "ndc11",
    "ndc9",
)
# The columns, in addition to the screened ones, that joins and features of every claim read.
_KEYS_OF_ALL = (*_KEYS, "hcpcs_code", "labeler_code")
_MEASURED_FROM = {"patient_key", "days_supply", "labeler_code", "received_at", "prescriber_npi"}
# The columns that features of flagged claims read: from the claim, and from the screen.
_CLAIM_INPUTS = (
    *("source_row_id", "program", "payer_id", "plan_id", "state", "claim_id", "claim_line", "claim_type", "period"),
    *("contract_id", "rebate_type", "pharmacy_npi", "pharmacy_key", "prescriber_npi", "patient_key", "rx_key"),
    *("script_key", "fill_number", "date_of_service", "ndc11", "ndc9", "labeler_code", "hcpcs_code", "units"),
    *("dispensing_status", "bin", "pcn", "group_id", "mtf_icn", "mtf_xref_icn", "mtf_transaction_code"),
)
# The structs of a row before it is unpacked.
_FAMILIES = {
    *("claim", "screen", "settlement", "link", "pharmacy", "duplicate", "flags", "elsewhere", "taken", "unbilled"),
    *("corrected", "product", "price_of_period", "price_of_service", "exclusion", "contract", "conversion", "labeler"),
    *("features", "unread", "deadlines", "market"),
}
_LINKED = ("link_tier", "link_entity_id", "link_parent_entity_id")
_SCREEN_INPUTS = (
    *("mef_entity_id", "state_340b_method", "contract_excludes_340b", "price_ceiling", "price_mfp", "ndc_units"),
)


@dataclass(frozen=True)
class FoundOnClaims:
    """Sparse results per claim: at most one row per source_row_id in each table.

    A table is None if its feed or reference table is missing. The tables are LINKS_340B, LINKS_PHARMACY, and the
    results of `duplicates`, `flags_340b`, `billed_elsewhere`, `taken_back`, `unbilled` and `corrected_down`.
    """

    links_340b: DataFrame | None
    links_pharmacy: DataFrame | None
    duplicates: DataFrame
    flags_340b: DataFrame | None
    elsewhere: DataFrame | None = None
    taken_back: DataFrame | None = None
    unbilled: DataFrame | None = None
    corrected: DataFrame | None = None


@dataclass(frozen=True)
class Background:
    """The rows against which features of flagged claims are computed; None if a feed is missing.

    claims: all live PREPARED_REBATE_CLAIMS; only the sign of their units is read. entity_claims:
    PREPARED_ENTITY_CLAIMS. dispenses: PHARMACY_DISPENSES. outcomes: conformed, each with the source_row_id of its
    claim.
    """

    claims: DataFrame
    entity_claims: DataFrame | None
    dispenses: DataFrame | None
    outcomes: DataFrame | None
    as_of: date
    peers: PeerSettings


def claim_screen(
    claims: DataFrame,
    on_claims: FoundOnClaims,
    references: Mapping[str, DataFrame],
    as_of: date,
    schema: T.StructType,
    keep: Keep = kept_in_place,
) -> DataFrame:
    """The screen without the columns that are derived from peers, one row per live rebate claim.

    `claims`: PREPARED_REBATE_CLAIMS; `references`: conformed tables by name, a missing one makes its facts NULL;
    `schema`: that of the whole screen, see `claim_screen_schema`. `keep` writes an intermediate result under a name and
    returns it.
    """
    screened = [field for field in schema if field.name not in _OF_PEERS]
    wanted = {field.name for field in screened}
    received = {name for name in column_names(claims) if name in wanted} | _MEASURED_FROM
    rows = claims.select(*sorted(received), *CLAIM_COLUMNS)
    # Claim numbers are dropped here: they are long, and the following steps shuffle all claims.
    rows = with_claim_settlements(rows, references.get("settlements"), as_of, keep).drop(*CLAIM_COLUMNS)
    rows = with_patient_fills(rows, claims, keep)
    # A join copies every column that it carries: these carry the keys alone, and the claim's columns come last.
    keys = _with_references(_with_found(claims.select(*_KEYS_OF_ALL), on_claims, wanted), claims, references)
    rows = rows.join(keys.drop(*_KEYS_OF_ALL[1:]), on="source_row_id", how="inner")
    return _unpacked(rows, screened, present=())


def feature_inputs(
    flagged: DataFrame, claims: DataFrame, on_claims: FoundOnClaims, references: Mapping[str, DataFrame]
) -> DataFrame:
    """The columns of flagged claims that `claim_features` reads, with the entity in question and its parent.

    The result is narrow and meant to be written to disk, because each family of features joins it. ndc_units: the units
    that are still billed, 0 for a row that credits the manufacturer.

    `flagged`: rows of the screen; `claims`: PREPARED_REBATE_CLAIMS, the flagged ones or more.
    """
    screen = flagged.select(F.col("source_row_id").alias("screen_row_id"), *_SCREEN_INPUTS)
    own = claims.select(*_CLAIM_INPUTS)
    rows = own.join(screen, on=F.col("source_row_id") == F.col("screen_row_id"), how="inner").drop("screen_row_id")
    rows = _joined(rows, on_claims.links_340b, [LINKS_340B[name] for name in _LINKED], "link")
    rows = _joined(rows, on_claims.taken_back, TAKEN_BACK_FACTS, "taken")
    link = {name: F.col(f"link.{name}") for name in _LINKED}
    taken_back = F.coalesce(F.col("taken")[TAKEN_BACK_FACTS[0].name], F.lit(0))
    rows = rows.withColumns(
        {
            **link,
            "ndc_units": F.greatest(F.col("ndc_units") - taken_back, F.lit(0)),
            "entity_id": F.coalesce(link["link_entity_id"], "mef_entity_id"),
            # Resolved to the parent on this claim's own day, which may differ from the parent on the 340B claim's day.
            "parent_entity_id": F.coalesce(link["link_entity_id"], "mef_entity_id"),
            SERVICE_QUARTER: quarter_index(F.col("date_of_service")),
        }
    )
    day = F.col("date_of_service")
    return at_parent_of_day(rows.drop("link", "taken"), "parent_entity_id", day, references.get(FAMILIES))


def claim_features(
    flagged: DataFrame, on_claims: FoundOnClaims, references: Mapping[str, DataFrame], background: Background
) -> DataFrame:
    """source_row_id and the features of flagged claims that are computed from other rows.

    Other rows are earlier claims, entities' claims, purchases, contracts and outcomes. The result is narrow and meant
    to be written to disk, so Spark knows its size.

    `flagged`: the result of `feature_inputs`. Feeds are filtered to the keys that they share with these few claims, and
    only the matching rows are shuffled.
    """
    entities, products, families = (references.get(name) for name in ("covered_entities", "products", FAMILIES))
    claims, entity_claims, links = background.claims, background.entity_claims, on_claims.links_340b
    rows = with_entity_status(flagged, entities, references.get("orphan_drugs"), products)
    rows = with_contract_status(rows, flagged, references.get("contract_pharmacies"), entities, families)
    rows = with_prescriber(rows, flagged, claims, entity_claims, links).drop("contracts")
    rows = with_pharmacy_history(rows, flagged, claims, links, background.peers)
    rows = with_line_of_business(rows, flagged, claims)
    rows = with_repeats(rows, flagged, claims)
    rows = with_periods(rows, flagged, claims)
    rows = with_reversals(rows, flagged, background.dispenses)
    rows = with_reviews(rows, flagged, claims, background.outcomes, links, families, background.as_of)
    rows = with_units_claimed(rows, flagged, entity_claims)
    rows = with_purchases(rows, flagged, references.get("chargebacks"), families, products)
    enriched = rows.drop(*(name for name in column_names(flagged) if name != "source_row_id"), "units_claimed")
    return flattened(enriched, ("entity_status", "cp", "repeats", "purchase"))


def claim_facts(
    flagged: DataFrame,
    claims: DataFrame,
    on_claims: FoundOnClaims,
    features: DataFrame,
    references: Mapping[str, DataFrame],
    as_of: date,
    unread_claims: DataFrame | None = None,
    invoices: DataFrame | None = None,
) -> DataFrame:
    """ALL_CLAIM_FACTS of the claims in `flagged`: everything that messages, findings and analysts read.

    `flagged`: complete rows of the screen; `claims`: PREPARED_REBATE_CLAIMS, the flagged ones or more; `features`:
    the result of `claim_features` for them; `unread_claims`: quarantined rebate claims (prepare.unread_claims), None if
    none are; `invoices`: PREPARED_INVOICES, None without invoices; the other parameters as in `claim_screen`.
    """
    screened = column_names(flagged)
    missing = {*CLAIM_FACTS.names} - {*screened}
    own = claims.select(
        "source_row_id", F.struct(*(name for name in column_names(claims) if name in missing)).alias("claim")
    )
    rows = own.join(_packed(flagged, "screen"), on="source_row_id", how="inner")
    rows = _with_found(rows, on_claims, missing)
    rows = _joined(rows, features, [field for field in features.schema if field.name != "source_row_id"], "features")
    rows = _joined(rows, _unread_rows(flagged, unread_claims), [CLAIM_FACTS["quarantined_claim_rows"]], "unread")
    deadlines = deadlines_of_claims(claims, invoices, references.get("rebate_contracts"))
    rows = _joined(rows, deadlines, DEADLINE_FACTS, "deadlines")
    rows = with_market_price(rows, references.get("market_prices"), F.col("date_of_service"))
    return _unpacked(rows, ALL_CLAIM_FACTS.fields, present=screened, as_of=as_of)


def _unread_rows(flagged: DataFrame, unread: DataFrame | None) -> DataFrame | None:
    """source_row_id and quarantined_claim_rows: rows that may be the credit or a later version of the claim."""
    if unread is None:
        return None
    narrow = flagged.select("source_row_id", F.coalesce("state", "payer_id").alias("state"), "ndc11", "period")
    counted = with_unread_rows(narrow, unread, ("state", "ndc11"), since=F.col("period"))
    return counted.select("source_row_id", F.col("unread_rows").alias("quarantined_claim_rows"))


def _packed(rows: DataFrame, into: str) -> DataFrame:
    """Pack `rows` for joins: _KEYS unchanged, all other columns in one struct."""
    return rows.select(*_KEYS, F.struct(*(name for name in column_names(rows) if name not in _KEYS)).alias(into))


def _with_found(rows: DataFrame, on_claims: FoundOnClaims, wanted: set[str]) -> DataFrame:
    for table, of_table, prefix in (
        (on_claims.links_340b, LINKS_340B.fields, "link"),
        (on_claims.links_pharmacy, LINKS_PHARMACY.fields, "pharmacy"),
        (on_claims.duplicates, DUPLICATE_FACTS, "duplicate"),
        (on_claims.flags_340b, [CLAIM_FACTS[name] for name in FLAG_FACTS], "flags"),
        (on_claims.elsewhere, ELSEWHERE_FACTS, "elsewhere"),
        (on_claims.taken_back, TAKEN_BACK_FACTS, "taken"),
        (on_claims.unbilled, UNBILLED_FACTS, "unbilled"),
        (on_claims.corrected, CORRECTED_FACTS, "corrected"),
    ):
        fields = [field for field in of_table if field.name.startswith(f"{prefix}_") and field.name in wanted]
        rows = _joined(rows, table, fields, prefix) if fields else rows
    return rows


def _with_references(rows: DataFrame, claims: DataFrame, references: Mapping[str, DataFrame]) -> DataFrame:
    day, prices = F.col("date_of_service"), references.get("prices")
    rows = with_product(rows, references.get("products"), day)
    rows = with_prices(rows, prices, F.col("period"), {"price_ura": "unit_rebate_amount"}, "price_of_period")
    of_service = {"price_wac": "wac_unit", "price_ceiling": "ceiling_unit", "price_mfp": "mfp_unit"}
    rows = with_prices(rows, prices, quarter_of(day), of_service, "price_of_service")
    rows = with_exclusion_file(
        rows, *(references.get(name) for name in ("medicaid_exclusions", "chargebacks", FAMILIES))
    )
    rows = with_state_policy(rows, references.get("state_340b_policies"))
    rows = with_contract(rows, references.get("rebate_contracts"), claims)
    rows = with_conversion(rows, references.get("hcpcs_crosswalk"), references.get("products"))
    rows = with_labeler(rows, references.get("labelers"), day)
    rows = with_npi_active(rows, references.get("pharmacies"))
    return with_pharmacy_status(rows, references.get("contract_pharmacy_lists"), references.get("entity_npis"))


def _unpacked(
    rows: DataFrame, wanted: list[T.StructField], present: Collection[str], as_of: date | None = None
) -> DataFrame:
    """The wanted fields; those that depend on the claim alone are computed unless they are already present."""
    flat = flattened(rows, [name for name in column_names(rows) if name in _FAMILIES])
    measured = {feature.column: feature.value() for feature in FEATURES if feature.value is not None}
    measured |= {"f45_lookback_q": lookback_quarters(as_of), "prescriber_has_dea_number": prescriber_has_dea_number()}
    values = {
        field.name: measured[field.name] if field.name in measured and field.name not in present else F.col(field.name)
        for field in wanted
    }
    return flat.select(*(values[field.name].cast(field.dataType).alias(field.name) for field in wanted))


def _joined(rows: DataFrame, more: DataFrame | None, fields: list[T.StructField], into: str) -> DataFrame:
    """`rows` with the fields of a table that has at most one row per claim, as a struct."""
    if more is None:
        return rows.withColumn(into, absent(fields))
    family = F.struct(*(field.name for field in fields)).alias(into)
    narrow = more.select(F.col("source_row_id").alias("more_source_row_id"), family)
    joined = rows.join(narrow, on=F.col("source_row_id") == F.col("more_source_row_id"), how="left")
    return joined.drop("more_source_row_id")


def claim_peers(screen: DataFrame, settings: PeerSettings) -> DataFrame:
    """The usual values per NDC-11 and program: peers, and `<feature>_median`, `_scale`, `_low`, `_high`.

    Small: one row per product and program. `screen`: the result of `claim_screen`, read back from disk.
    """
    narrow = screen.select("source_row_id", *_STRATUM, "units_per_package", *_MEASURED)
    sample = sampled(narrow.where(F.col("ndc11").isNotNull()), _STRATUM, settings)
    arrays = value_arrays(sample, _STRATUM, _MEASURED, [F.max("units_per_package").alias("units_per_package")])
    median_units = quantile(F.col(UNITS), 0.5)
    arrays = arrays.withColumns({"log_median": log(median_units), "log_package": _log_package()})
    distances = F.transform(
        F.filter(UNITS, lambda units: units > 0),
        lambda units: _distance(log(units) - F.col("log_median"), F.col("log_package")),
    )
    known = (F.size(UNITS) >= settings.minimum) & (median_units > 0)
    arrays = arrays.withColumn(
        FACTOR_DISTANCE, F.when(known, F.array_sort(distances)).otherwise(F.array().cast("array<double>"))
    )
    return statistics(arrays, _STRATUM, dict.fromkeys(CLAIM_FEATURES, False), settings)


def with_claim_peers(screen: DataFrame, peers: DataFrame, settings: PeerSettings, schema: T.StructType) -> DataFrame:
    """The screen with z-scores, F27 and the peers' count, in its `schema`; lazily, by a broadcast join."""
    renamed = peers.withColumnsRenamed({key: f"peer_{key}" for key in _STRATUM})
    same = [F.col(key) == F.col(f"peer_{key}") for key in _STRATUM]
    joined = screen.join(F.broadcast(renamed), on=same, how="left")  # one row per product and program
    ratio = log(F.col(UNITS)) - log(F.col(f"{UNITS}_median"))
    joined = joined.withColumns({"log_ratio": ratio, "log_package": _log_package()})
    joined = joined.withColumns(
        {
            FACTOR_DISTANCE: _distance(F.col("log_ratio"), F.col("log_package")),
            "f27_unit_factor": _factor_hit(F.col("log_ratio"), F.col("log_package")),
            "peer_median_units": F.col(f"{UNITS}_median"),
            "peer_median_units_per_day": F.col("f25_units_per_day_median"),
        }
    )
    joined = joined.withColumns({z_name(f): robust_z(f, False, settings) for f in CLAIM_FEATURES})
    return joined.select(*(F.col(field.name).cast(field.dataType).alias(field.name) for field in schema))


def _log_package() -> Column:
    """ln of the units per package; NULL for a package of one unit, which is not a conversion factor."""
    per_package = F.col("units_per_package").cast("double")
    return log(F.when(per_package != 1, per_package))


def _log_factors(log_package: Column) -> list[Column]:
    """ln of known conversion factors: units per package, its inverse, and shifted decimals (domain F27)."""
    return [log_package, -log_package, *(F.lit(_log_of(factor)) for factor in _SHIFTS)]


def _log_of(factor: float) -> float:
    return round(math.log(factor), LOG_DECIMALS)


def _distance(log_ratio: Column, log_package: Column) -> Column:
    """|ln(units / median) - ln(factor)| to the nearest factor."""
    return F.least(*(F.abs(log_ratio - factor) for factor in _log_factors(log_package)))


def _factor_hit(log_ratio: Column, log_package: Column) -> Column:
    """The nearest factor that explains units / median within 2 %."""
    per_package = F.col("units_per_package").cast("double")
    factors = [per_package, 1 / F.when(per_package > 0, per_package), *(F.lit(factor) for factor in _SHIFTS)]
    hits = []
    for log_factor, factor in zip(_log_factors(log_package), factors, strict=True):
        distance = F.abs(log_ratio - log_factor)
        hits.append(F.when(distance <= F.lit(_log_of(1 + _FACTOR_TOLERANCE)), F.struct(distance, factor)))
    return F.least(*hits)["col2"]
