"""The reference tables of a world, in the contract's layout."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.contracts.codes import Program
from engine.contracts.tables import CMS_UNIT_TYPES, TABLES
from synthetic import arrow
from synthetic.calendar import QUARTER_STARTS, QUARTERS, day
from synthetic.inflation import part_d_plans
from synthetic.payers import CONTRACTS_BEGIN, EXCLUSION_ENDED, Contract, Terms
from synthetic.places import ENTITY_TYPES, STATE_CODES, STATES, Listing
from synthetic.policies import policy_tables
from synthetic.products import (
    COD_STATUSES,
    DESI,
    DRUG_CATEGORIES,
    LABELER_SOLD,
    NO_DAY,
    PRENATAL_VITAMIN,
    SOLD_LABELER,
    UNIT_TYPES,
    Pool,
)
from synthetic.texts import hcpcs_codes
from synthetic.world import World

_STREETS = ("Main St", "Oak Ave", "Park Rd", "Church St", "Mill Ln", "2nd Ave", "Lake Dr")
_CITIES = ("Fairview", "Midway", "Oakland Park", "Riverside", "Centerville", "Georgetown", "Salem")
_ZIPS_PER_STATE, _DEGREES_APART = 100, 0.02
SNAPSHOT = day(2026, 7, 1)

_SCOPES = {
    Terms.EXCLUDES_ENTITY_OWNED: "ENTITY_OWNED",
    Terms.EXCLUDES_LISTED: "LISTED_PHARMACIES",
    Terms.EXCLUDES_FLAGGED: "FLAGGED_ONLY",
}


def reference_tables(world: World) -> Iterator[tuple[str, pa.Table]]:
    """Name and rows of each reference table that does not depend on the claims."""
    unreported = arrow.chosen(world.products.ndc, world.products.pools[Pool.UNKNOWN])
    for name, columns in (
        ("products", _products(world)),
        ("hcpcs_crosswalk", _hcpcs_crosswalk(world)),
        ("prices", _prices(world)),
        ("market_prices", _market_prices(world)),
        ("labelers", _labelers(world)),
        ("pharmacies", _pharmacies(world)),
        ("covered_entities", _covered_entities(world)),
        ("entity_npis", _entity_npis(world)),
        ("contract_pharmacies", _contract_pharmacies(world)),
        ("medicaid_exclusions", _medicaid_exclusions(world)),
        ("rebate_contracts", _rebate_contracts(world)),
        ("contract_pharmacy_lists", _contract_pharmacy_lists(world)),
        ("state_340b_policies", _state_policies()),
        *policy_tables(world).items(),
        ("part_d_plans", part_d_plans()),
        ("zip_centroids", _zip_centroids()),
    ):
        schema = arrow.arrow_schema(TABLES[name], tuple(columns))
        table = pa.Table.from_batches([arrow.batch(columns, schema)])
        yield name, _without(table, unreported) if "ndc" in columns else table


def _without(table: pa.Table, ndcs: pa.Array) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["ndc"], value_set=ndcs)))


def _days(days: np.ndarray) -> pa.Array:
    valid = days != NO_DAY
    return arrow.dates(np.where(valid, days, 0), valid)


def _all(value: int, rows: int) -> pa.Array:
    return arrow.dates(np.full(rows, value))


def _products(world: World) -> dict[str, pa.Array]:
    p = world.products
    infused = p.hcpcs_number >= 0
    return {
        "ndc": arrow.chosen(p.ndc, np.arange(p.count)),
        "labeler_name": arrow.joined(arrow.constant("Labeler ", p.count), pa.array(p.labeler, pa.string())),
        "product_name": pa.array(p.name, pa.string()),
        "unit_type": arrow.chosen([u for u in UNIT_TYPES if u in CMS_UNIT_TYPES], p.unit_type),
        "units_per_package": arrow.decimals(p.package, arrow.UNITS),
        "drug_category": arrow.chosen(DRUG_CATEGORIES, p.category),
        "cod_status": arrow.chosen(COD_STATUSES, _cod_status(world)),
        "market_date": _days(p.market_day),
        "termination_date": _days(p.termination_day),
        "reactivation_date": _days(p.reactivation_day),
        "orphan": arrow.booleans(p.orphan),
        "hcpcs_code": arrow.either(infused, hcpcs_codes(p.hcpcs_number), None),
        "snapshot_date": _all(SNAPSHOT, p.count),
    }


def _cod_status(world: World) -> np.ndarray:
    """Of each product an index into COD_STATUSES: by category, but for excluded drugs and prenatal vitamins."""
    p = world.products
    status = p.category.copy()
    status[p.pools[Pool.EXCLUDED]], status[p.pools[Pool.PRENATAL]] = DESI, PRENATAL_VITAMIN
    return status


def _hcpcs_crosswalk(world: World) -> dict[str, pa.Array]:
    p = world.products
    infused = p.pools[Pool.INFUSED]
    return {
        "ndc": arrow.chosen(p.ndc, infused),
        "hcpcs_code": hcpcs_codes(p.hcpcs_number[infused]),
        "ndc_units_per_hcpcs_unit": arrow.decimals(p.hcpcs_factor[infused], arrow.UNIT_PRICE),
        "begin_date": _all(day(2020, 1, 1), len(infused)),
    }


def _prices(world: World) -> dict[str, pa.Array]:
    p = world.products
    product = np.repeat(np.arange(p.count), len(QUARTERS))
    quarter = np.tile(np.arange(len(QUARTERS)), p.count)
    mfp = p.mfp.ravel()
    return {
        "ndc": arrow.chosen(p.ndc, product),
        "period": arrow.chosen(QUARTERS, quarter),
        "unit_rebate_amount": arrow.decimals(p.ura.ravel(), arrow.UNIT_PRICE),
        "wac_unit": arrow.decimals(p.wac.ravel(), arrow.UNIT_PRICE),
        "ceiling_unit": arrow.decimals(p.ceiling.ravel(), arrow.UNIT_PRICE),
        "mfp_unit": arrow.decimals(mfp, arrow.UNIT_PRICE, mfp > 0),
    }


def _market_prices(world: World) -> dict[str, pa.Array]:
    """A market survey price near WAC; state products are too rare to be surveyed."""
    p = world.products
    surveyed = np.setdiff1d(np.arange(p.count), p.pools[Pool.LOCAL])
    product = np.repeat(surveyed, len(QUARTERS))
    quarter = np.tile(np.arange(len(QUARTERS)), len(surveyed))
    return {
        "ndc": arrow.chosen(p.ndc, product),
        "effective_date": arrow.dates(QUARTER_STARTS[quarter]),
        "end_date": arrow.dates(QUARTER_STARTS[quarter + 1], quarter + 1 < len(QUARTERS)),
        "price_per_unit": arrow.decimals(p.wac[product, quarter] * 97 // 100, arrow.UNIT_PRICE),
    }


def _labelers(world: World) -> dict[str, pa.Array]:
    codes = sorted(set(world.products.labeler))
    return {
        "labeler_code": pa.array(codes, pa.string()),
        "owner": arrow.constant("Our company", len(codes)),
        "begin_date": _all(day(2000, 1, 1), len(codes)),
        "end_date": _days(np.where(np.array(codes) == SOLD_LABELER, LABELER_SOLD, NO_DAY)),
    }


def _address(state: np.ndarray, salt: int) -> dict[str, pa.Array]:
    number = np.arange(len(state)) + salt
    return {
        "city": arrow.chosen(_CITIES, number % len(_CITIES)),
        "state": arrow.chosen(STATE_CODES, state),
        "zip": _zips(state, number % _ZIPS_PER_STATE),
    }


def _zips(state: np.ndarray, number: np.ndarray) -> pa.Array:
    return arrow.joined(arrow.chosen([s.zip_prefix for s in STATES], state), arrow.padded(number, 2))


def _zip_centroids() -> dict[str, pa.Array]:
    """ZIP codes of a state are adjacent, within about 30 km."""
    state, number = (grid.ravel() for grid in np.indices((len(STATES), _ZIPS_PER_STATE)))
    row, place = np.divmod(number, 10)
    latitude, longitude = np.array([s.latitude for s in STATES]), np.array([s.longitude for s in STATES])
    return {
        "zip": _zips(state, number),
        "latitude": pa.array(latitude[state] + row * _DEGREES_APART),
        "longitude": pa.array(longitude[state] + place * _DEGREES_APART),
    }


def _street(rows: int, salt: int) -> pa.Array:
    number = np.arange(rows) + salt
    return arrow.joined(arrow.plain(100 + 7 * number % 9_000), arrow.constant(" ", rows), arrow.chosen(
        _STREETS, number % len(_STREETS)))  # fmt: skip


def _numbered(word: str, rows: int) -> pa.Array:
    return arrow.joined(arrow.constant(word, rows), arrow.plain(1 + np.arange(rows)))


def _phones(rows: int) -> pa.Array:
    return arrow.joined(arrow.constant("555-01", rows), arrow.padded(np.arange(rows) % 100, 2))


def _pharmacies(world: World) -> dict[str, pa.Array]:
    """Every pharmacy under its NPI, and again under a former NPI; the NCPDP id belongs to the current NPI."""
    p = world.pharmacies
    changed = np.flatnonzero(p.npi_since)
    at, is_old = np.concatenate([np.arange(p.count), changed]), np.arange(p.count + len(changed)) >= p.count
    since = np.where(p.npi_since > 0, p.npi_since, NO_DAY)[at]
    columns = {
        "name": _numbered("Pharmacy ", p.count),
        "address": _street(p.count, 0),
        **_address(p.state, 0),
        "phone": _phones(p.count),
    }
    return {
        "npi": arrow.either(is_old, arrow.chosen(p.old_npi, at), arrow.chosen(p.npi, at)),
        "ncpdp_id": arrow.chosen(p.ncpdp, np.where(is_old, -1, at)),
        **{name: arrow.chosen(values, at) for name, values in columns.items()},
        "successor_npi": arrow.chosen(p.npi, np.where(is_old, at, -1)),
        "valid_from": _days(np.where(is_old, NO_DAY, since)),
        "valid_to": _days(np.where(is_old, since, NO_DAY)),
    }


def _covered_entities(world: World) -> dict[str, pa.Array]:
    """Entities with a temporary parent are registered twice: until the change, and from then on."""
    e = world.entities
    at = np.concatenate([np.arange(e.count), e.movers])
    is_second = np.arange(len(at)) >= e.count
    parent, changes = e.parent[at], np.full(len(at), NO_DAY)
    changes[e.movers] = changes[e.count :] = e.move_day
    parent[e.movers] = np.where(e.moves_out, e.parent_for_a_time, e.movers)
    parent[e.count :] = np.where(e.moves_out, e.movers, e.parent_for_a_time)
    columns = _register(world)
    return {
        "entity_id": arrow.chosen(e.id, at),
        "parent_entity_id": arrow.chosen(e.id, parent),
        **{name: values.take(pa.array(at)) for name, values in columns.items()},
        "valid_from": _days(np.where(is_second, changes, NO_DAY)),
        "valid_to": _days(np.where(is_second, NO_DAY, changes)),
    }


def _register(world: World) -> dict[str, pa.Array]:
    e = world.entities
    return {
        "entity_type": arrow.chosen(ENTITY_TYPES, e.type),
        "name": _numbered("Covered entity ", e.count),
        "street": _street(e.count, 3),
        **_address(e.state, 3),
        "contact_name": _numbered("Contact ", e.count),
        "contact_phone": _phones(e.count),
        "participating_start": arrow.dates(day(2012, 1, 1) + (np.arange(e.count) * 37) % 4_000),
        "termination_date": _days(e.end_day),
        "snapshot_date": _all(SNAPSHOT, e.count),
    }


def _entity_npis(world: World) -> dict[str, pa.Array]:
    e = world.entities
    return {
        "entity_id": arrow.chosen(e.id, np.append(np.arange(e.count), e.far_entity[0])),
        "npi": arrow.chosen(world.pharmacies.npi, np.append(e.own_pharmacy, e.far_own_pharmacy)),
    }


def _contract_pharmacies(world: World) -> dict[str, pa.Array]:
    e, p = world.entities, world.pharmacies
    entity, pharmacy = (
        np.concatenate(parts) for parts in ((e.contract_entity, e.far_entity), (e.contract_pharmacy, e.far_pharmacy))
    )
    rows = len(entity)
    names = _numbered("Pharmacy ", p.count)
    return {
        "entity_id": arrow.chosen(e.id, entity),
        "contract_id": _numbered("CP", rows),
        "pharmacy_npi": arrow.chosen(p.npi, pharmacy),
        "pharmacy_name": arrow.chosen(names, pharmacy),
        "address": arrow.chosen(_street(p.count, 0), pharmacy),
        **{name: arrow.chosen(values, pharmacy) for name, values in _address(p.state, 0).items()},
        "phone": arrow.chosen(_phones(p.count), pharmacy),
        "begin_date": arrow.dates(day(2016, 1, 1) + (np.arange(rows) * 91) % 3_000),
        "termination_date": _days(np.append(e.contract_end_day, np.full(len(e.far_entity), NO_DAY))),
    }


def _medicaid_exclusions(world: World) -> dict[str, pa.Array]:
    """Each quarter's file; its snapshot is of the middle of the month before."""
    e = world.entities
    listed = [np.flatnonzero(e.is_listed_in(quarter)) for quarter in range(len(QUARTERS))]
    entity = np.concatenate(listed)
    quarter = np.repeat(np.arange(len(QUARTERS)), [len(members) for members in listed])
    own = e.own_pharmacy[entity]
    by_number = e.listing[entity] == Listing.BY_MEDICAID_NUMBER
    return {
        "entity_id": arrow.chosen(e.id, entity),
        "npi": arrow.chosen(world.pharmacies.npi, np.where(by_number, -1, own)),
        "medicaid_number": arrow.chosen(world.pharmacies.medicaid_number, np.where(by_number, own, -1)),
        "medicaid_state": arrow.chosen(STATE_CODES, e.listed_state[entity]),
        "quarter": arrow.chosen(QUARTERS, quarter),
        "snapshot_date": arrow.dates(QUARTER_STARTS[quarter] - 15),
    }


def _rebate_contracts(world: World) -> dict[str, pa.Array]:
    """One row per contract, two if the exclusion ended."""
    rows: list[tuple[Contract, bool, int, int]] = []
    for contract in world.payers.contracts:
        if contract.terms == Terms.EXCLUDED_ONCE:
            rows.append((contract, True, CONTRACTS_BEGIN, EXCLUSION_ENDED))
            rows.append((contract, False, EXCLUSION_ENDED, NO_DAY))
        else:
            rows.append((contract, contract.terms != Terms.NO_EXCLUSION, CONTRACTS_BEGIN, NO_DAY))
    contracts = [row[0] for row in rows]
    return {
        "payer_id": pa.array([c.payer for c in contracts], pa.string()),
        "program": pa.array([c.program.value for c in contracts], pa.string()),
        "contract_id": pa.array([c.id for c in contracts], pa.string()),
        "rebate_type": arrow.constant("BASE", len(rows)),
        "excludes_340b": pa.array([row[1] for row in rows]),
        "exclusion_scope": pa.array([_SCOPES.get(c.terms, "ALL") for c in contracts], pa.string()),
        "dispute_days": arrow.integers(np.full(len(rows), 180)),
        "begin_date": _days(np.array([row[2] for row in rows])),
        "end_date": _days(np.array([row[3] for row in rows])),
    }


def _contract_pharmacy_lists(world: World) -> dict[str, pa.Array]:
    contracts = [c.id for c in world.payers.contracts if c.terms == Terms.EXCLUDES_LISTED]
    listed = np.flatnonzero(world.entities.pharmacy_is_listed)
    return {
        "contract_id": arrow.chosen(contracts, np.repeat(np.arange(len(contracts)), len(listed))),
        "pharmacy_npi": arrow.chosen(world.pharmacies.npi, np.tile(listed, len(contracts))),
        "begin_date": _all(CONTRACTS_BEGIN, len(listed) * len(contracts)),
    }


def _state_policies() -> dict[str, pa.Array]:
    """Fee for service by each state's method, managed care by flags on the claim; one state's policy is not known."""
    known = [state for state in STATES if state.method is not None]
    rows = [(state, Program.MDRP_FFS, str(state.method)) for state in known]
    rows += [(state, Program.MDRP_MCO, "CLAIM_FLAG") for state in known]
    return {
        "state": pa.array([row[0].code for row in rows], pa.string()),
        "program": pa.array([row[1].value for row in rows], pa.string()),
        "method": pa.array([row[2] for row in rows], pa.string()),
        "contract_pharmacy_carved_out": pa.array([row[0].carves_out_contract_pharmacies for row in rows]),
        "begin_date": _all(day(2020, 1, 1), len(rows)),
        "source": arrow.constant("invented", len(rows)),
    }
