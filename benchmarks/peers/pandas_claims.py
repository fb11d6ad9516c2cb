"""Rebate claims judged with pandas and scikit-learn: links T1 to T4, sixteen rules, the features of the claim model, a
forest's scores.

    python benchmarks/peers/pandas_claims.py INPUT_FOLDER OUTPUT_FOLDER [--as-of DATE]

Reads the generated Parquet tables, writes links, findings, features and scores as Parquet and the seconds of each stage
as `seconds.json`. It checks no contract, keeps no ledger and explains nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers.shared import (
    FEATURES,
    FEWEST_PEERS,
    HASH_STEPS,
    SAMPLE_PER_STRATUM,
    Laps,
    assign,
    forest_scores,
    hash_steps,
    identifiers_340b,
    run,
)

COLUMNS = {
    "rebate_claims": (
        "source_row_id program payer_id plan_id rebate_type contract_id state claim_id claim_line prior_claim_id "
        "transaction claim_type pharmacy_npi pharmacy_ncpdp_id rx_number rx_number_hash hash_scheme fill_number "
        "date_of_service paid_date ndc units units_basis days_supply hcpcs_code modifiers "
        "submission_clarification_codes basis_of_cost dispensing_status prescriber_npi bin amount_paid "
        "amount_third_party unit_rebate_amount rebate_amount period patient_key received_at"
    ),
    "entity_claims": (
        "source_row_id entity_id claim_type pharmacy_npi rx_number rx_number_hash hash_scheme claim_id fill_number "
        "date_of_service ndc quantity hcpcs_code prescriber_npi bin status is_340b submitted_at"
    ),
    "pharmacy_claims": (
        "source_row_id transaction_code pharmacy_npi rx_number fill_number date_of_service transaction_at ndc "
        "received_at"
    ),
    "products": "ndc units_per_package market_date termination_date reactivation_date snapshot_date",
    "prices": "ndc period unit_rebate_amount wac_unit",
    "pharmacies": "npi ncpdp_id successor_npi",
    "covered_entities": "entity_id parent_entity_id",
    "hcpcs_crosswalk": "ndc hcpcs_code begin_date ndc_units_per_hcpcs_unit",
    "labelers": "labeler_code begin_date end_date",
}
DECIMALS = {
    *("units", "quantity", "amount_paid", "amount_third_party", "unit_rebate_amount", "rebate_amount"),
    *("units_per_package", "wac_unit", "ndc_units_per_hcpcs_unit"),
}
CLAIM = ["program", "payer_id", "plan_id", "kind", "claim_id", "claim_line"]
STREAM = ["key_pharmacy", "script", "program", "payer_id", "rebate_type"]
# log2(m / u) in millionths: how much the agreement of each field says (Fellegi and Sunter, 1969)
WEIGHTS: dict[str, dict[Any, int]] = {
    "days": {True: 3_652_000, False: -1_862_000},
    "same_ndc": {"EXACT": 5_459_000, "CONVERTED": 4_322_000, "NEAR": 3_322_000, "FAR": 0, "": 1_322_000},
    "same_product": {"EXACT": 3_322_000, "CONVERTED": 2_000_000, "NEAR": 2_000_000, "FAR": 263_000, "": 2_000_000},
}
# Of equal and of different values.
WEIGHTS_OF_EQUALITY = {
    "fill": (1_108_000, -4_196_000),
    "prescriber_npi": (3_278_000, -4_907_000),
    "bin": (2_693_000, -4_824_000),
}


def load(source: str, table: str) -> pd.DataFrame:
    """The wanted columns of a table: text as Arrow strings, decimals as floats, dates as days."""
    folder = Path(source, table)
    place = folder if folder.is_dir() else folder.with_suffix(".parquet")
    rows = pq.read_table(place, columns=COLUMNS[table].split())
    kinds = {field.name: str(field.type) for field in rows.schema}
    frame = pd.DataFrame(index=range(rows.num_rows))
    for name, kind in kinds.items():
        column = rows[name]
        if kind in ("string", "large_string"):
            frame[name] = pd.array(column, dtype="string[pyarrow]")
        elif name in DECIMALS:
            frame[name] = column.cast("float64").to_numpy()
        elif kind.startswith(("date", "timestamp")):
            frame[name] = pd.to_datetime(column.cast("timestamp[us]").to_pandas())
        else:
            frame[name] = column.to_pandas()
    return frame


def ndc11(ndc: pd.Series) -> pd.Series:
    """Eleven digits; NULL for what is no NDC."""
    parts = ndc[ndc.str.contains("-", regex=False).fillna(False)].str.split("-", expand=True)
    normal = ndc.where(ndc.str.fullmatch(r"\d{11}").fillna(False))
    if len(parts):
        sizes = pd.concat([parts[i].str.len() for i in range(3)], axis=1).apply(tuple, axis=1)
        is_known = sizes.isin([(5, 4, 2), (4, 4, 2), (5, 3, 2), (5, 4, 1)])
        joined = parts[0].str.zfill(5) + parts[1].str.zfill(4) + parts[2].str.zfill(2)
        normal.loc[parts.index] = joined.where(is_known)
    return normal


def prescription(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The key by which prescriptions are equal, and the fill number appended to it."""
    text = rows.rx_number.str.strip()
    is_plain = text.str.fullmatch(r"[1-9]\d{3,11}").fillna(False).astype(bool)
    other = text[~is_plain & text.notna()]
    digits = other.str.extract(r"^0*(\d{4,12})$")[0]
    with_fill = other.str.extract(r"^0*(\d{4,9})[-/ ](\d{1,2})$")
    normal = digits.fillna(with_fill[0]).fillna(other.str.upper())
    normal = normal.where(normal.str.replace(r"\D", "", regex=True).str.len() >= 4)
    key = text.where(is_plain)
    key.loc[other.index] = normal
    if "rx_number_hash" in rows:
        key = key.fillna(rows.hash_scheme + ":" + rows.rx_number_hash)
    fill = rows.fill_number.astype("float64")
    return key, fill.fillna(pd.to_numeric(with_fill[1]).astype("float64").reindex(rows.index))


def until(moment: pd.Series, as_of: str) -> pd.Series:
    """Whether something was received by the end of the day; an unknown time counts as received."""
    return ~(moment >= pd.Timestamp(as_of) + pd.Timedelta(days=1)).fillna(False)


def micros(moment: pd.Series) -> pd.Series:
    """Microseconds since 1970, an unknown time before all others."""
    return moment.astype("datetime64[us]").astype("int64").where(moment.notna(), -1)


def last_of_line(pharmacies: pd.DataFrame) -> dict[str, str]:
    """The current NPI of each pharmacy that changed it."""
    pairs = pharmacies[["npi", "successor_npi"]].dropna().drop_duplicates()
    pairs = pairs[~pairs.npi.duplicated(keep=False)]
    after = dict(zip(pairs.npi, pairs.successor_npi, strict=True))
    last = {}
    for npi in after:
        current, steps = npi, 0
        while current in after and steps < 20:
            current, steps = after[current], steps + 1
        if steps < 20:
            last[npi] = current
    return last


def live_rebate_claims(tables: dict[str, pd.DataFrame], heirs: dict[str, str], as_of: str) -> pd.DataFrame:
    """Rebate claims that stand: not sent twice, replaced or voided."""
    rows = tables.pop("rebate_claims")
    rows["ndc11"] = ndc11(rows.pop("ndc"))
    is_good = rows.ndc11.notna() & rows.date_of_service.notna() & rows.units.notna() & rows.period.notna()
    is_good &= until(rows.received_at, as_of)
    is_good &= (rows.claim_type == "MEDICAL") | rows.rx_number.notna() | rows.rx_number_hash.notna()
    rows = rows[is_good].reset_index(drop=True)
    rows["rx_key"], rows["fill"] = prescription(rows)
    rows["ndc9"] = rows.ndc11.str[:9]
    rows["claim_line"] = rows.claim_line.fillna(1).astype("int64")
    rows["period"] = rows.period.str.upper().str.replace("-", "", regex=False)
    npis = tables["pharmacies"].dropna(subset=["ncpdp_id"]).drop_duplicates(["ncpdp_id", "npi"])
    npi_of = npis[~npis.ncpdp_id.duplicated(keep=False)].set_index("ncpdp_id")["npi"]
    needs_npi = rows.pharmacy_npi.isna()
    by_ncpdp = rows.pharmacy_ncpdp_id[needs_npi].map(npi_of).fillna("NCPDP:" + rows.pharmacy_ncpdp_id[needs_npi])
    rows["pharmacy"] = rows.pharmacy_npi.fillna(by_ncpdp.astype("string[pyarrow]"))
    rows["key_pharmacy"] = rows.pharmacy.where(~rows.pharmacy.isin(heirs.keys()), rows.pharmacy.map(heirs))
    is_medicaid = rows.program.str.startswith("MDRP")
    usual = pd.Series(np.where(is_medicaid, "FEDERAL", "BASE"), index=rows.index, dtype="string[pyarrow]")
    rows["kind"] = rows.rebate_type.fillna(usual)
    rows["asking_state"] = rows.state.fillna(rows.payer_id)
    rows["arrived"] = micros(rows.received_at)
    rows["step"] = rows.transaction.map({"ORIGINAL": 0, "ADJUSTMENT": 1, "VOID": 2}).astype("int64")
    rows = without_replaced(without_redelivered(rows))
    is_medical = rows.claim_type == "MEDICAL"
    rows["script"] = rows.rx_key.where(~is_medical, rows.claim_id)
    rows["ndc_units"] = in_ndc_units(rows, tables["hcpcs_crosswalk"])
    return rows


def without_redelivered(rows: pd.DataFrame) -> pd.DataFrame:
    """Each row once, unless its claim was adjusted or voided in between."""
    rows = rows.sort_values(["arrived", "step", "source_row_id"], ignore_index=True)
    acted_on = rows.loc[rows.step > 0, CLAIM].drop_duplicates()
    touched = rows[CLAIM].reset_index().merge(acted_on, on=CLAIM).sort_values("index")
    acts = (rows.step > 0).astype("int64")[touched["index"]]
    acts = acts.groupby([touched.set_index("index")[name] for name in CLAIM], dropna=False).cumsum()
    rows["acts"] = 0
    rows.loc[acts.index, "acts"] = acts
    rows.loc[rows.step > 0, "acts"] = -1
    delivery = [*CLAIM, "transaction", "ndc11", "units", "amount_paid", "amount_third_party", "unit_rebate_amount"]
    return rows[~rows.duplicated([*delivery, "rebate_amount", "period", "acts"])]


def without_replaced(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that no adjustment replaces and no void cancels, nor are voids themselves."""
    acts = rows.loc[rows.step > 0, [*CLAIM, "prior_claim_id", "arrived", "step", "source_row_id"]]
    prior = acts.prior_claim_id.fillna(acts.claim_id)
    is_own = prior == acts.claim_id
    whose = ["payer_id", "plan_id", "kind", "claim_id"]
    named = acts[~is_own].assign(claim_id=prior[~is_own])[whose].drop_duplicates()
    gone = set(rows[[*whose, "source_row_id"]].merge(named, on=whose).source_row_id)
    own = acts[is_own].drop(columns="prior_claim_id")
    both = rows[[*CLAIM, "arrived", "step", "source_row_id"]].merge(own, on=CLAIM, suffixes=("", "_act"))
    is_earlier = (both.arrived < both.arrived_act) | (
        (both.arrived == both.arrived_act)
        & ((both.step < both.step_act) | ((both.step == both.step_act) & (both.source_row_id < both.source_row_id_act)))
    )
    gone |= set(both.source_row_id[is_earlier])
    stands = rows[(rows.step < 2) & ~rows.source_row_id.isin(gone)]
    return stands[~stands.source_row_id.duplicated()].reset_index(drop=True)


def in_ndc_units(rows: pd.DataFrame, crosswalk: pd.DataFrame) -> pd.Series:
    """Units of the line; HCPCS units by the factor in force, unknown without one."""
    units = rows.units.copy()
    hcpcs = rows.loc[rows.units_basis == "HCPCS", ["ndc11", "hcpcs_code", "date_of_service", "units"]].reset_index()
    factors = crosswalk.assign(ndc11=ndc11(crosswalk.ndc))
    paired = hcpcs.merge(factors, on=["ndc11", "hcpcs_code"], how="left")
    paired = paired[paired.begin_date.isna() | (paired.begin_date <= paired.date_of_service)]
    paired = paired.sort_values("begin_date", na_position="first").drop_duplicates("index", keep="last")
    factor = paired.set_index("index").ndc_units_per_hcpcs_unit.reindex(hcpcs["index"])
    units.loc[hcpcs["index"]] = np.floor(hcpcs.units.to_numpy() * factor.to_numpy() * 1000 + 0.5) / 1000
    return units


def live_entity_claims(tables: dict[str, pd.DataFrame], heirs: dict[str, str], as_of: str) -> pd.DataFrame:
    """340B claims that stand: submitted and not reversed since."""
    rows = tables.pop("entity_claims")
    rows["ndc11"] = ndc11(rows.pop("ndc"))
    is_good = rows.ndc11.notna() & rows.date_of_service.notna() & rows.quantity.notna()
    is_good &= until(rows.submitted_at, as_of)
    is_good &= (rows.claim_type == "MEDICAL").fillna(False) | rows.rx_number.notna() | rows.rx_number_hash.notna()
    rows = rows[is_good].reset_index(drop=True)
    rows["script"], rows["fill"] = prescription(rows)
    rows["ndc9"] = rows.ndc11.str[:9]
    rows["is_medical"] = (rows.claim_type == "MEDICAL").fillna(False).astype(bool)
    rows["script"] = rows.script.where(~rows.is_medical, rows.claim_id)
    parents = tables["covered_entities"].dropna().drop_duplicates()
    parent_of = parents[~parents.entity_id.duplicated(keep=False)].set_index("entity_id")["parent_entity_id"]
    rows["parent"] = rows.entity_id.map(parent_of).astype("string[pyarrow]").fillna(rows.entity_id)
    rows["submitted"] = micros(rows.submitted_at)
    rows = rows.rename(columns={"pharmacy_npi": "pharmacy"})
    dispense = ["parent", "pharmacy", "script", "date_of_service", "ndc9", "fill"]
    reversals = rows[(rows.status == "REVERSED") & rows.script.notna()]
    reversals = reversals.groupby(dispense, dropna=False).submitted.max().rename("reversed_at").reset_index()
    rows = rows[(rows.status.fillna("SUBMITTED") == "SUBMITTED") & rows.is_340b.astype("boolean").fillna(True)]
    rows = rows.merge(reversals, on=dispense, how="left")
    rows = rows[~(rows.submitted <= rows.reversed_at)]
    rows["key_pharmacy"] = rows.pharmacy.where(~rows.pharmacy.isin(heirs.keys()), rows.pharmacy.map(heirs))
    package = tables["products"].set_index("ndc11").units_per_package
    rows["package"] = rows.ndc11.map(package).astype("float64")
    return rows


def reversed_dispenses(rows: pd.DataFrame, as_of: str) -> pd.DataFrame:
    """Dispenses whose last transaction is a reversal."""
    rows = rows[until(rows.received_at.fillna(rows.transaction_at), as_of)].reset_index(drop=True)
    rows["rx_key"], rows["fill"] = prescription(rows)
    rows["ndc11"] = ndc11(rows.ndc)
    rows = rows.rename(columns={"pharmacy_npi": "pharmacy"})
    dispense = ["pharmacy", "rx_key", "fill", "date_of_service", "ndc11"]
    rows["happened"] = micros(rows.transaction_at)
    # only dispenses with a reversal are put in order
    is_reversal = rows.transaction_code == "B2"
    several = rows.merge(rows.loc[is_reversal, ["pharmacy", "rx_key"]].dropna().drop_duplicates())
    several = several.sort_values(["happened", "transaction_code", "source_row_id"])
    last = several.drop_duplicates(dispense, keep="last")
    return last.loc[last.transaction_code == "B2", dispense].dropna(subset=["rx_key", "ndc11"])


def whole_fills(rebate: pd.DataFrame) -> pd.Series:
    """Units of the whole fill on each of its parts."""
    parts = rebate[rebate.dispensing_status.notna() & (rebate.claim_type == "RX") & rebate.script.notna()]
    parts = parts.sort_values(["ndc_units", "source_row_id"], ascending=[False, True])
    fill = [*STREAM, "fill", "ndc9"]
    is_repeated = parts.duplicated([*fill, "dispensing_status", "date_of_service", "ndc11"])
    once = parts.ndc_units.where(~is_repeated, 0)
    return once.groupby([parts[name] for name in fill], dropna=False).transform("sum")


def link(rebate: pd.DataFrame, entity: pd.DataFrame) -> pd.DataFrame:
    """source_row_id, link_source_row_id, tier: the 340B claims of one dispense, T1 to T4, one to one."""
    rebate = rebate.assign(is_medical=(rebate.claim_type == "MEDICAL").astype(bool), whole=whole_fills(rebate))
    keys = ["key_pharmacy", "pharmacy", "script", "is_medical"]
    columns = ["source_row_id", "date_of_service", "fill", "ndc11", "ndc9", "hcpcs_code", "prescriber_npi", "bin"]
    mine = rebate[[*keys, *columns, *STREAM[2:], "ndc_units", "whole", "dispensing_status"]]
    theirs = entity[[*keys, *columns, "parent", "quantity", "package"]]
    pairs = mine.dropna(subset=keys).merge(theirs, on=keys, suffixes=("", "_entity"))
    pairs["days"] = (pairs.date_of_service - pairs.date_of_service_entity).dt.days.abs()
    pairs = pairs[pairs.days <= 3].reset_index(drop=True)
    pairs["amount"] = how_close(pairs)
    pairs["sums_up"] = within(pairs.whole, pairs.quantity, 0.05)
    pairs["sums_up"] |= within(pairs.whole, pairs.quantity * pairs.package.where(pairs.package != 1), 0.01)
    pairs["hcpcs"] = pairs.hcpcs_code.where(pairs.is_medical)
    pairs["hcpcs_entity"] = pairs.hcpcs_code_entity.where(pairs.is_medical)
    pairs["tier"], pairs["score"] = tiers_and_scores(pairs)
    met = pairs[pairs.tier > 0].copy()
    met["rebate"] = met.groupby([*STREAM, "fill", "date_of_service", "hcpcs", "ndc11"], dropna=False).ngroup()
    met["entity"] = met.groupby(
        [*STREAM, *(f"{name}_entity" for name in ("fill", "date_of_service", "hcpcs", "ndc11"))], dropna=False
    ).ngroup()
    best = met.sort_values(["tier", "score", "days"], ascending=[True, False, True])
    by_edge = best.groupby(["rebate", "entity"])
    edges = by_edge[["tier", "score", "days"]].first()
    edges["rebate_row"], edges["entity_row"] = by_edge.source_row_id.min(), by_edge.source_row_id_entity.min()
    chosen = assign(edges.reset_index())[["rebate", "entity"]]
    linked = only_best(met.merge(chosen, on=["rebate", "entity"]), ["source_row_id", "entity"])
    # the other part of a fill that the entity reported as one
    parts = met[met.dispensing_status.notna() & met.sums_up]
    known = linked.merge(parts[["source_row_id", "source_row_id_entity"]])[["entity", "fill"]].drop_duplicates()
    others = parts[~parts.source_row_id.isin(linked.source_row_id)].merge(known, on=["entity", "fill"])
    others = others.sort_values(["tier", "score", "days", "source_row_id_entity"], ascending=[True, False, True, True])
    linked = pd.concat([linked, others.drop_duplicates("source_row_id")])
    return pd.DataFrame(
        {
            "source_row_id": linked.source_row_id,
            "link_source_row_id": linked.source_row_id_entity,
            "tier": "T" + linked.tier.astype(str),
        }
    ).reset_index(drop=True)


def within(claimed: pd.Series, given: pd.Series, tolerance: float) -> pd.Series:
    """Whether quantities differ by at most a part of the given one, in whole thousandths; unknown ones do not."""
    claimed, given = (claimed * 1000).round(), (given * 1000).round()
    return (given > 0) & ((claimed - given).abs() * 1e6 <= given * (tolerance * 1e6))


def how_close(pairs: pd.DataFrame) -> np.ndarray:
    """EXACT, CONVERTED (packages on one side), NEAR, FAR or nothing where the units are unknown."""
    package = pairs.package.where(pairs.package != 1)

    def close(tolerance: float, claimed: float | pd.Series = 1.0, given: float | pd.Series = 1.0) -> pd.Series:
        return within(pairs.ndc_units * claimed, pairs.quantity * given, tolerance) | within(
            pairs.whole * claimed, pairs.quantity * given, tolerance
        )

    conditions = [close(0.01), close(0.01, given=package) | close(0.01, claimed=package), close(0.05)]
    return np.select([*conditions, pairs.ndc_units.notna()], ["EXACT", "CONVERTED", "NEAR", "FAR"], "")


def tiers_and_scores(pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The tier of each pair, 0 for none, and its score in millionths of log2 odds."""
    same_ndc = (pairs.ndc11 == pairs.ndc11_entity).to_numpy(dtype=bool)
    same_product = (pairs.ndc9 == pairs.ndc9_entity).to_numpy(dtype=bool)
    same_day = pairs.days == 0
    step = pairs.fill_entity - pairs.fill
    # an entity that counts fills from 1: at least five pairs, four in five of them
    alike = pairs[same_day & same_ndc & (pairs.amount == "EXACT") & step.notna()]
    counted = step[alike.index].groupby([alike.parent, step[alike.index]]).size()
    whole = counted.groupby(level=0).transform("sum")
    clear = counted[(whole >= 5) & (counted >= 0.8 * whole) & (counted.index.get_level_values(1) > 0)]
    shifts = dict(clear.index.tolist())
    shift = pairs.parent.map(shifts).astype("float64").fillna(0.0)
    same_fill = (pairs.fill == pairs.fill_entity) | (pairs.fill.isna() & pairs.fill_entity.isna())
    is_shifted = (shift != 0) & (step == shift)
    same_hcpcs = (pairs.hcpcs == pairs.hcpcs_entity).fillna(True).astype(bool)
    is_known = pairs.amount.isin(["EXACT", "CONVERTED"])
    of_prescription = np.select(
        [
            same_day & same_ndc & same_fill & is_known,
            same_day & same_ndc & (is_shifted | (pairs.fill.isna() != pairs.fill_entity.isna())),
            same_ndc & (is_known | (pairs.amount == "NEAR")),
            same_product,
        ],
        [1, 2, 3, 4],
        0,
    )
    tier = np.where(pairs.is_medical, np.where(same_day & same_ndc & same_hcpcs, 1, 0), of_prescription)
    score = same_day.map(WEIGHTS["days"]).to_numpy()
    by_ndc, by_product = (pairs.amount.map(WEIGHTS[name]).to_numpy() for name in ("same_ndc", "same_product"))
    score = score + np.where(same_ndc, by_ndc, by_product)
    yes, no = WEIGHTS_OF_EQUALITY["fill"]
    score = score + np.where(step.isna(), 0, np.where(step == shift, yes, no))
    for name in ("prescriber_npi", "bin"):
        yes, no = WEIGHTS_OF_EQUALITY[name]
        other = pairs[f"{name}_entity"]
        is_same = (pairs[name] == other).fillna(False).to_numpy(dtype=bool)
        score = score + np.where(pairs[name].isna() | other.isna(), 0, np.where(is_same, yes, no))
    return tier, score


def only_best(pairs: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The rows of each group with its best tier and score."""
    first = pairs.sort_values(["tier", "score"], ascending=[True, False]).drop_duplicates(by)
    return pairs.merge(first[[*by, "tier", "score"]], on=[*by, "tier", "score"])


def carries_340b_flag(rebate: pd.DataFrame) -> pd.Series:
    """Whether the line carries an identifier that its state and program use for 340B drugs on the day."""
    columns = {
        "SCC": rebate.submission_clarification_codes,
        "BOC": rebate.basis_of_cost.str.zfill(2),
        "MODIFIER": rebate.modifiers,
    }
    flagged = pd.Series(False, index=rebate.index)
    for state, program, claim_type, flag, begin in identifiers_340b():
        field, value = str(flag).split()
        codes = columns[field].dropna()
        codes = codes[("|" + codes.str.replace(" ", "", regex=False) + "|").str.contains(f"|{value}|", regex=False)]
        rows = rebate.loc[codes.index]
        is_for = pd.Series(True, index=rows.index)
        for wanted, own in ((state, "asking_state"), (program, "program"), (claim_type, "claim_type")):
            if wanted is not None:
                is_for &= (rows[own] == wanted).astype(bool)
        if begin is not None:
            is_for &= rows.date_of_service >= begin
        flagged.loc[is_for.index[is_for]] = True
    return flagged


def repeats(rebate: pd.DataFrame) -> pd.Series:
    """R016 to R019 by row: which rule the nearest earlier live row of the same dispense makes."""
    asked = rebate[rebate.program.str.startswith("MDRP") & rebate.pharmacy.notna() & rebate.script.notna()]
    asked = asked[(asked.claim_type == "RX") | asked.hcpcs_code.notna()]
    key = ["pharmacy", "claim_type", "script", "date_of_service", "ndc11"]
    asked = asked[asked.duplicated(key, keep=False)].copy()
    is_rx = asked.claim_type == "RX"
    asked["fill"] = asked.fill.where(is_rx)
    asked["line"], asked["hcpcs"] = asked.claim_line.where(~is_rx), asked.hcpcs_code.where(~is_rx)
    dispense = [*key, "fill", "line", "hcpcs", "rebate_type", "contract_id"]
    asked["dispense"] = asked.groupby(dispense, dropna=False).ngroup()
    asked["asked"] = asked.ndc_units.fillna(asked.units)
    asked = asked.sort_values(["dispense", "arrived", "source_row_id"], ignore_index=True)
    # units below zero take back what was asked for, from the last row first
    within_period = asked.groupby(["dispense", "program", "asking_state", "period"])
    before = asked.asked.clip(lower=0).groupby(within_period.ngroup()).cumsum() - asked.asked.clip(lower=0)
    asked = asked[np.minimum(asked.asked, within_period.asked.transform("sum") - before) > 0]
    asked["place"] = np.arange(len(asked))
    columns = ["dispense", "place", "source_row_id", "dispensing_status", "asking_state", "program", "period"]
    pairs = asked[columns].merge(asked[columns], on="dispense", suffixes=("", "_before"))
    is_other_part = (pairs.dispensing_status != pairs.dispensing_status_before).fillna(False)
    pairs = pairs[(pairs.place_before < pairs.place) & ~is_other_part]
    nearest = pairs.sort_values("place_before").drop_duplicates("source_row_id", keep="last")
    differs = [(nearest[n] != nearest[f"{n}_before"]).to_numpy(bool) for n in ("asking_state", "program", "period")]
    return pd.Series(np.select(differs, ["R018", "R017", "R019"], "R016"), index=nearest.source_row_id.to_numpy())


def early_refill(rebate: pd.DataFrame) -> pd.Series:
    """Days since the patient's previous fill of the product, as a part of that fill's days of supply."""
    known = rebate[rebate.patient_key.notna()]
    group = known.groupby(["patient_key", "ndc9"]).ngroup()
    fills = pd.DataFrame({"group": group, "day": known.date_of_service, "supply": known.days_supply})
    by_day = fills.sort_values(["group", "day", "supply"], na_position="first").drop_duplicates(
        ["group", "day"], keep="last"
    )
    is_same = by_day.group == by_day.group.shift()
    by_day["before"], by_day["supply"] = by_day.day.shift().where(is_same), by_day.supply.shift().where(is_same)
    fills = fills.drop(columns="supply").reset_index().merge(by_day, on=["group", "day"], how="left").set_index("index")
    days = (fills.day - fills.before).dt.days
    ratio = over(days, fills.supply).where(days <= 180)
    return ratio.reindex(rebate.index).where(~(rebate.dispensing_status == "C").fillna(False))


def over(dividend: pd.Series, divisor: pd.Series) -> pd.Series:
    """The quotient; unknown where the divisor is zero."""
    divisor = divisor.astype("float64")
    return dividend.astype("float64") / divisor.where(divisor != 0)


def facts(
    rebate: pd.DataFrame, tables: dict[str, pd.DataFrame], links: pd.DataFrame, reversed_ones: pd.DataFrame
) -> pd.DataFrame:
    """`rebate` with what rules and features read."""
    products = tables["products"].drop(columns=["ndc", "snapshot_date"])
    prices = tables["prices"].assign(ndc11=ndc11(tables["prices"].ndc))
    rows = rebate.merge(products, on="ndc11", how="left")
    own = prices[["ndc11", "period", "unit_rebate_amount"]].rename(columns={"unit_rebate_amount": "ura"})
    rows = rows.merge(own, on=["ndc11", "period"], how="left")
    day = rows.date_of_service.dt
    rows["service"] = day.year.astype(str).astype("string[pyarrow]") + "Q" + day.quarter.astype(str)
    wac = prices[["ndc11", "period", "wac_unit"]].rename(columns={"period": "service"})
    rows = rows.merge(wac, on=["ndc11", "service"], how="left")
    rows["linked"] = rows.source_row_id.isin(links.source_row_id)
    rows["flagged"] = carries_340b_flag(rows)
    rows["duplicate"] = rows.source_row_id.map(repeats(rows))
    on = ["pharmacy", "rx_key", "fill", "date_of_service", "ndc11"]
    gone = rows.loc[rows.claim_type == "RX", ["source_row_id", *on]].merge(reversed_ones.dropna(subset=on[:2]), on=on)
    rows["reversed"] = rows.source_row_id.isin(gone.source_row_id)
    units = rows.ndc_units
    packages = over(units, rows.units_per_package)
    rows["f20_paid_per_unit_to_wac"] = over(rows.amount_paid, units * rows.wac_unit)
    rows["f23_rebate_to_paid"] = over(units * rows.ura.fillna(rows.unit_rebate_amount), rows.amount_paid)
    rows["f24_units_per_prescription"] = units
    rows["f25_units_per_day"] = over(units, rows.days_supply)
    rows["f26_package_remainder"] = (packages - packages.round()).abs().round(9)
    rows["f42_early_refill_ratio"] = early_refill(rows)
    rows["f44_claim_age_days"] = (rows.paid_date - rows.date_of_service).dt.days.astype("float64")
    return with_peers(rows)


def with_peers(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with F27 and the robust z-score of each feature among the claims of the product and program."""
    stratum = ["ndc11", "program"]
    group = rows.groupby(stratum).ngroup()
    size = group.map(group.value_counts())
    sample = hash_steps(rows.source_row_id) < SAMPLE_PER_STRATUM * HASH_STEPS / size
    chosen = group[sample]

    def median(values: pd.Series) -> pd.Series:
        by_group = values[sample].groupby(chosen)
        return by_group.median().where(by_group.count() >= FEWEST_PEERS)

    units = rows.f24_units_per_prescription
    usual = group.map(median(units))
    log = np.log(units.where(units > 0)).round(11) - np.log(usual.where(usual > 0)).round(11)
    package = rows.units_per_package.where(rows.units_per_package != 1)
    factors: list[Any] = [package, 1 / package, 10.0, 0.1, 1000.0, 0.001]
    apart = [(log - np.round(np.log(factor), 11)).abs() for factor in factors]
    rows["f27_unit_factor_distance"] = pd.concat(apart, axis=1).min(axis=1)
    for feature in FEATURES:
        middle = median(rows[feature])
        deviation = (rows[feature] - group.map(middle)).abs()
        scale: Any = np.maximum(1.4826 * deviation[sample].groupby(chosen).median(), 0.05 * middle.abs())
        z = (rows[feature] - group.map(middle)) / group.map(scale.clip(lower=0.01))
        rows[f"{feature}_z"] = z.clip(-10, 10)
    return rows


def findings(rows: pd.DataFrame, labelers: pd.DataFrame) -> pd.DataFrame:
    """source_row_id and rule_id of the rules that fire."""
    rows = rows[rows.program.str.startswith("MDRP").to_numpy(dtype=bool)]
    ffs, mco, is_asked = rows.program == "MDRP_FFS", rows.program == "MDRP_MCO", rows.units > 0
    others_paid = rows.amount_third_party.fillna(0) != 0
    is_waste = (rows.claim_type == "MEDICAL") & ("|" + rows.modifiers + "|").str.contains("|JW|", regex=False)
    late = (rows.date_of_service - rows.termination_date).dt.days
    is_back = (rows.reactivation_date > rows.termination_date) & (rows.reactivation_date <= rows.date_of_service)
    # in whole thousandths, millionths and cents
    product = (rows.ndc_units * 1e3).round() * (rows.unit_rebate_amount * 1e6).round()
    cents = np.floor(product.abs() / 1e7 + 0.5) * np.sign(product)
    is_federal = (rows.rebate_type == "FEDERAL").fillna(True)
    has_ura = rows.unit_rebate_amount != 0
    hits = {
        "R001": is_asked & ffs & rows.flagged,
        "R003": is_asked & ffs & rows.linked,
        "R004": is_asked & mco & rows.flagged,
        "R005": is_asked & mco & rows.linked,
        "R016": is_asked & (rows.duplicate == "R016") & ~others_paid & ~is_waste.fillna(False),
        **{rule: is_asked & (rows.duplicate == rule) for rule in ("R017", "R018", "R019")},
        "R020": is_asked & rows.reversed,
        "R021": is_asked & ffs & (rows.amount_paid == 0) & ~others_paid,
        "R022": is_asked & (late > 365) & ~is_back,
        "R023": is_asked & late.between(1, 365) & ~is_back,
        "R024": is_asked & (rows.date_of_service < rows.market_date),
        "R027": is_asked & labeler_was_ours(rows, labelers),
        "R053": has_ura & (((rows.rebate_amount * 100).round() - cents).abs() > 1),
        "R056": has_ura & is_federal & (((rows.unit_rebate_amount - rows.ura).abs() * 1e6).round() > 1),
    }
    ids = {rule: rows.source_row_id[hit.fillna(False).to_numpy(dtype=bool)] for rule, hit in hits.items()}
    return pd.concat([pd.DataFrame({"source_row_id": rows_, "rule_id": rule}) for rule, rows_ in ids.items()])


def labeler_was_ours(rows: pd.DataFrame, labelers: pd.DataFrame) -> pd.Series:
    """Whether the list holds the labeler code, but for other days than that of the service."""
    code = rows.ndc11.str[:5]
    is_ours = pd.Series(False, index=rows.index)
    for labeler in labelers.itertuples():
        covers = (code == labeler.labeler_code).to_numpy(dtype=bool)
        if not pd.isna(labeler.begin_date):
            covers &= (rows.date_of_service >= labeler.begin_date).to_numpy()
        if not pd.isna(labeler.end_date):
            covers &= (rows.date_of_service < labeler.end_date).to_numpy()
        is_ours |= covers
    return code.isin(labelers.labeler_code) & ~is_ours


def score(rows: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """source_row_id and anomaly_score of the rows with a known feature."""
    inputs = rows[["source_row_id", *(f"{feature}_z" for feature in FEATURES)]].set_index("source_row_id")
    inputs = inputs[inputs.notna().any(axis=1)].sort_index()
    is_ordinary = ~inputs.index.isin(found.source_row_id)
    scores = forest_scores(inputs.fillna(0.0).to_numpy(), is_ordinary)
    return pd.DataFrame({"source_row_id": inputs.index, "anomaly_score": scores})


def main(source: str, target: Path, as_of: str, laps: Laps) -> None:
    with laps.stage("read"):
        tables = {name: load(source, name) for name in COLUMNS}
    with laps.stage("prepare"):
        products = tables["products"].assign(ndc11=ndc11(tables["products"].ndc)).sort_values("snapshot_date")
        tables["products"] = products.drop_duplicates("ndc11", keep="last")
        heirs = last_of_line(tables["pharmacies"])
        rebate = live_rebate_claims(tables, heirs, as_of)
        entity = live_entity_claims(tables, heirs, as_of)
        reversed_ones = reversed_dispenses(tables.pop("pharmacy_claims"), as_of)
    with laps.stage("link"):
        links = link(rebate, entity)
    with laps.stage("facts"):
        rows = facts(rebate, tables, links, reversed_ones)
    with laps.stage("rules"):
        found = findings(rows, tables["labelers"])
    with laps.stage("score"):
        scores = score(rows, found)
    with laps.stage("write"):
        columns = ["source_row_id", *FEATURES, *(f"{feature}_z" for feature in FEATURES)]
        results = {"links": links, "findings": found, "features": rows[columns], "scores": scores}
        for name, table in results.items():
            table.to_parquet(target / f"{name}.parquet", index=False)


if __name__ == "__main__":
    run(main, __doc__)
