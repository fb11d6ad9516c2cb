"""Makes known claims unusual, and measures what a run reports of them.

    python benchmarks/unusual_claims.py make FOLDER TARGET [--share 0.009] [--seed 1]
    python benchmarks/unusual_claims.py measure RUN TARGET

`make` copies a folder of tables and changes a share of its rebate claims: units by a factor, the amount paid by a
factor, the amount paid at another product's price, or days' supply that contradict the quantity. It reads nothing but
the claims themselves, and leaves alone what the folder's `truth`, `look_alikes`, `watch` and `anomalies` name. Which
rows were changed is written to TARGET/unusual.parquet (source_row_id, kind). `measure` reads the findings of a
finished run of TARGET.
"""

from __future__ import annotations

import argparse
import shutil
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

UNIT_FACTORS = {"units x 2": 2, "units x 3": 3, "units x 10": 10, "units x 30": 30}
PAID_FACTORS = {"paid x 0.05": "0.05", "paid x 0.4": "0.4", "paid x 2.5": "2.5", "paid x 8": "8"}
OTHER_PRICE, OTHER_DAYS = "price of another product", "days' supply"
KINDS = (*UNIT_FACTORS, *PAID_FACTORS, OTHER_PRICE, OTHER_DAYS)
DAYS = (1, 2, 3, 5, 7, 10, 14, 30, 60, 90, 100)
LABELS = ("truth", "look_alikes", "watch", "anomalies")
CENT = Decimal("0.01")


def changed(claims: pd.DataFrame, rows: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """`claims` with the rows at these places changed, one kind each in turn; the column `kind` names it."""
    claims = claims.assign(kind=pd.Series(None, index=claims.index, dtype=object))
    per_unit = (claims["amount_paid"].astype(float) / claims["units"].astype(float)).where(claims["units"] > 0)
    for turn, row in enumerate(rows):
        kind = KINDS[turn % len(KINDS)]
        units, paid, days = (claims.at[row, name] for name in ("units", "amount_paid", "days_supply"))
        if kind in UNIT_FACTORS:
            claims.at[row, "units"] = units * UNIT_FACTORS[kind]
            if claims.at[row, "rebate_amount"] is not None:
                claims.at[row, "rebate_amount"] = claims.at[row, "rebate_amount"] * UNIT_FACTORS[kind]
        elif kind in PAID_FACTORS:
            claims.at[row, "amount_paid"] = (paid * Decimal(PAID_FACTORS[kind])).quantize(CENT, ROUND_HALF_UP)
        elif kind == OTHER_PRICE:
            other = rng.choice(np.flatnonzero((claims["ndc"] != claims.at[row, "ndc"]) & (per_unit > 0)))
            amount = Decimal(repr(float(per_unit.iloc[other]))) * units
            claims.at[row, "amount_paid"] = amount.quantize(CENT, ROUND_HALF_UP)
        else:
            claims.at[row, "days_supply"] = rng.choice([d for d in DAYS if max(d / days, days / d) >= 2])
        claims.at[row, "kind"] = kind
    return claims


def make(folder: Path, target: Path, share: float, seed: int) -> int:
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("rebate_claims"))
    source = pq.ParquetDataset(folder / "rebate_claims").read()
    claims = source.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}.get)
    claims["amount_paid"], claims["units"] = claims["amount_paid"].astype(object), claims["units"].astype(object)
    labelled = pd.concat([pd.read_parquet(folder / name)["source_row_id"] for name in LABELS])
    usable = (
        (claims["claim_type"] == "RX")
        & (claims["transaction"] == "ORIGINAL")
        & (claims["units"].fillna(0) > 0)
        & (claims["amount_paid"].fillna(0) > 0)
        & claims["days_supply"].notna()
        & ~claims["source_row_id"].isin(labelled)
    )
    rng = np.random.default_rng(seed)
    rows = rng.choice(claims.index[usable], size=round(share * len(claims)), replace=False)
    claims = changed(claims, rows, rng)
    unusual = claims.loc[claims["kind"].notna(), ["source_row_id", "kind"]]
    (target / "rebate_claims").mkdir()
    table = pa.Table.from_pandas(claims.drop(columns="kind"), schema=source.schema, preserve_index=False)
    pq.write_table(table, target / "rebate_claims" / "part-0.parquet")
    unusual.to_parquet(target / "unusual.parquet", index=False)
    return len(unusual)


def measure(run: Path, folder: Path) -> None:
    unusual = pd.read_parquet(folder / "unusual.parquet").set_index("source_row_id")["kind"]
    others = pd.concat([pd.read_parquet(folder / name)["source_row_id"] for name in LABELS])
    findings = pd.read_parquet(run / "findings", columns=["subject", "source_row_id", "rules"])
    findings = findings[findings["subject"] == "REBATE_CLAIM"].set_index("source_row_id")
    rules = findings["rules"].map(lambda results: {result["rule_id"] for result in results})
    by_model = set(rules.index[rules.map(lambda ids: "R052" in ids)])
    model_only = set(rules.index[rules.map(lambda ids: ids == {"R052"})])
    by_rules = set(rules.index[rules.map(lambda ids: bool(ids - {"R052"}))])
    total = pq.ParquetDataset(folder / "rebate_claims").read(columns=["units"]).num_rows
    right, labelled = len(model_only & set(unusual.index)), len(model_only & set(others))
    print(f"R052 on {len(by_model):,} of {total:,} claims ({len(by_model) / total:.2%}), alone on {len(model_only):,}")
    print(f"alone and right: {right:,} ({right / max(1, len(model_only)):.1%}); planted by the generator: {labelled:,}")
    table = pd.DataFrame(
        {
            "rows": unusual.groupby(unusual).size(),
            "rules": unusual.groupby(unusual).apply(lambda of_kind: of_kind.index.isin(by_rules).mean()),
            "model": unusual.groupby(unusual).apply(lambda of_kind: of_kind.index.isin(by_model).mean()),
            "either": unusual.groupby(unusual).apply(lambda of_kind: of_kind.index.isin(by_rules | by_model).mean()),
        }
    ).reindex(KINDS)
    index = unusual.index
    table.loc["all"] = [
        len(unusual),
        index.isin(by_rules).mean(),
        index.isin(by_model).mean(),
        index.isin(by_rules | by_model).mean(),
    ]
    print(table.to_string(float_format=lambda number: f"{number:.2f}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(dest="job", required=True)
    making, measuring = jobs.add_parser("make"), jobs.add_parser("measure")
    making.add_argument("folder", type=Path)
    making.add_argument("target", type=Path)
    making.add_argument("--share", type=float, default=0.009)
    making.add_argument("--seed", type=int, default=1)
    measuring.add_argument("run", type=Path)
    measuring.add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.job == "make":
        changed_rows = make(options.folder, options.target, options.share, options.seed)
        print(f"{changed_rows:,} rebate claims changed")
    else:
        measure(options.run, options.folder)


if __name__ == "__main__":
    main()
