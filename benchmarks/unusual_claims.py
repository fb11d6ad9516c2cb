"""Makes known claims and invoice lines unusual, and measures what a run reports of them.

    python benchmarks/unusual_claims.py make FOLDER TARGET [--share 0.009] [--lines 0.009] [--seed 1]
    python benchmarks/unusual_claims.py measure RUN TARGET

`make` copies a folder of tables and changes a share of its rebate claims (units by a factor, the amount paid by a
factor, the amount paid at another product's price, or days' supply that contradict the quantity) and of its invoice
lines (units with their rebate, prescriptions, or all payments, by a factor). It reads nothing but the claims and lines
themselves, and leaves alone what the folder's label tables name. Which rows were changed is written to
TARGET/unusual.parquet and TARGET/unusual_lines.parquet (source_row_id, kind). `measure` reads the findings of a
finished run of TARGET. What the generator planted itself (`anomalies`, `anomaly_look_alikes`, `group_anomalies`) is
measured as well.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

UNIT_FACTORS = {"units x 2": 2, "units x 3": 3, "units x 10": 10, "units x 30": 30}
PAID_FACTORS = {"paid x 0.05": "0.05", "paid x 0.4": "0.4", "paid x 2.5": "2.5", "paid x 8": "8"}
OTHER_PRICE, OTHER_DAYS = "price of another product", "days' supply"
KINDS = (*UNIT_FACTORS, *PAID_FACTORS, OTHER_PRICE, OTHER_DAYS)
DAYS = (1, 2, 3, 5, 7, 10, 14, 30, 60, 90, 100)
PLANTED, USUAL, GROUPS = "anomalies", "anomaly_look_alikes", "group_anomalies"
LABELS = ("truth", "look_alikes", "watch", PLANTED, USUAL, GROUPS)
CENT = Decimal("0.01")

# Of an invoice line: what is multiplied by what.
_UNITS, _PAYMENTS = ("units_reimbursed", "rebate_amount"), ("medicaid_amount", "non_medicaid_amount", "total_amount")
LINE_CHANGES = {
    "units x 3": (_UNITS, "3"),
    "units x 10": (_UNITS, "10"),
    "units x 0.2": (_UNITS, "0.2"),
    "prescriptions x 5": (("prescriptions",), "5"),
    "payments x 0.2": (_PAYMENTS, "0.2"),
    "payments x 0.5": (_PAYMENTS, "0.5"),
    "payments x 3": (_PAYMENTS, "3"),
    "payments x 10": (_PAYMENTS, "10"),
}
_PLACES = {"units_reimbursed": Decimal("0.001"), "prescriptions": Decimal(1)}


def changed(claims: pd.DataFrame, rows: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """`claims` with the rows at these places changed, one kind each in turn; the column `kind` names it."""
    claims = claims.assign(kind=pd.Series(None, index=claims.index, dtype=object))
    per_unit = (claims["amount_paid"].astype(float) / claims["units"].astype(float)).where(claims["units"] > 0)
    cells: Any = claims.at
    for turn, row in enumerate(rows):
        kind = KINDS[turn % len(KINDS)]
        units, paid, days = (cells[row, name] for name in ("units", "amount_paid", "days_supply"))
        if kind in UNIT_FACTORS:
            cells[row, "units"] = units * UNIT_FACTORS[kind]
            if cells[row, "rebate_amount"] is not None:
                cells[row, "rebate_amount"] = cells[row, "rebate_amount"] * UNIT_FACTORS[kind]
        elif kind in PAID_FACTORS:
            cells[row, "amount_paid"] = (paid * Decimal(PAID_FACTORS[kind])).quantize(CENT, ROUND_HALF_UP)
        elif kind == OTHER_PRICE:
            other = rng.choice(np.flatnonzero((claims["ndc"] != cells[row, "ndc"]) & (per_unit > 0)))
            amount = Decimal(repr(float(per_unit.iloc[other]))) * units
            cells[row, "amount_paid"] = amount.quantize(CENT, ROUND_HALF_UP)
        else:
            cells[row, "days_supply"] = rng.choice([d for d in DAYS if max(d / days, days / d) >= 2])
        cells[row, "kind"] = kind
    return claims


def make(folder: Path, target: Path, share: float, seed: int, lines_share: float = 0.0) -> int:
    """The number of claims changed; invoice lines stay as they are unless `lines_share` is above 0."""
    changes_lines = lines_share > 0
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("rebate_claims", *["invoices*"] * changes_lines))
    source = pq.ParquetDataset(folder / "rebate_claims").read()
    claims = source.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}.get)
    claims["amount_paid"], claims["units"] = claims["amount_paid"].astype(object), claims["units"].astype(object)
    labels = labelled(folder, *LABELS)
    usable = (
        (claims["claim_type"] == "RX")
        & (claims["transaction"] == "ORIGINAL")
        & (claims["units"].fillna(0) > 0)
        & (claims["amount_paid"].fillna(0) > 0)
        & claims["days_supply"].notna()
        & ~claims["source_row_id"].isin(labels.index)
    )
    rng = np.random.default_rng(seed)
    rows = rng.choice(claims.index[usable], size=round(share * len(claims)), replace=False)
    claims = changed(claims, rows, rng)
    unusual = claims.loc[claims["kind"].notna(), ["source_row_id", "kind"]]
    (target / "rebate_claims").mkdir()
    table = pa.Table.from_pandas(claims.drop(columns="kind"), schema=source.schema, preserve_index=False)
    pq.write_table(table, target / "rebate_claims" / "part-0.parquet")
    unusual.to_parquet(target / "unusual.parquet", index=False)
    if changes_lines:
        change_lines(folder, target, labels, lines_share, rng)
    return len(unusual)


def labelled(folder: Path, *names: str) -> pd.Series:
    """Kind by source_row_id of the rows that these label tables name."""
    tables = [pd.read_parquet(folder / name) for name in names if (folder / name).exists()]
    every = pd.concat([table.reindex(columns=["source_row_id", "kind"]) for table in tables])
    return every.set_index("source_row_id")["kind"]


def change_lines(folder: Path, target: Path, labels: pd.Series, share: float, rng: np.random.Generator) -> None:
    source = pq.read_table(folder / "invoices.parquet")
    ids = line_ids(source)
    table = source.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}.get)
    usable = (table["line_kind"] == "CURRENT") & (table["units_reimbursed"] > 0) & (table["total_amount"] > 0)
    usable &= (table["prescriptions"] > 0) & ~pd.Series(ids).isin(labels.index)
    rows = rng.choice(np.flatnonzero(usable), size=round(share * len(table)), replace=False)
    names, kinds = list(LINE_CHANGES), []
    for turn, row in enumerate(rows):
        kind = names[turn % len(names)]
        columns, factor = LINE_CHANGES[kind]
        for column in columns:
            value, places = table.at[row, column], _PLACES.get(column, CENT)
            if not pd.isna(value):
                times = (Decimal(str(value)) * Decimal(factor)).quantize(places, ROUND_HALF_UP)
                table.at[row, column] = int(times) if column == "prescriptions" else times
        kinds.append(kind)
    pq.write_table(pa.Table.from_pandas(table, schema=source.schema, preserve_index=False), target / "invoices.parquet")
    unusual = pd.DataFrame({"source_row_id": [ids[row] for row in rows], "kind": kinds})
    unusual.to_parquet(target / "unusual_lines.parquet", index=False)


def line_ids(invoices: pa.Table) -> list[str]:
    """`program/state/ndc11/period/invoice_number/line_kind`, with sub-program and rebate type where given (contract
    part 4).
    """
    names = ("program", "state", "ndc", "period", "invoice_number", "line_kind", "sub_program", "rebate_type")
    columns = [invoices.column(name).to_pylist() for name in names]
    return ["/".join(part for part in parts if part is not None) for parts in zip(*columns, strict=True)]


@dataclass(frozen=True)
class Reported:
    """Row ids of a subject's findings: on which the model itself flags the row, on which rules do, and on which R052
    speaks alone. groups: of each finding that stands for a month, all its claims that it names.
    """

    by_model: set[str]
    by_rules: set[str]
    model_only: set[str]
    groups: list[set[str]]


def reported(run: Path, subject: str) -> Reported:
    findings = pd.read_parquet(run / "findings", columns=["subject", "source_row_id", "rules", "reasons"])
    findings = findings[findings["subject"] == subject].set_index("source_row_id")
    rules = findings["rules"].map(lambda results: {result["rule_id"] for result in results})
    reasons = findings["reasons"].map(lambda own: {one["feature"] for one in own} if own is not None else set())
    is_group = reasons.map(lambda names: any(name.startswith("group_") for name in names))
    flagged = rules.map(lambda ids: "R052" in ids)
    is_single = flagged & reasons.map(lambda names: any(not name.startswith("group_") for name in names))
    months = [
        {row_id, *next(result for result in results if result["rule_id"] == "R052")["related_source_row_ids"]}
        for row_id, results in findings.loc[flagged & is_group, "rules"].items()
    ]
    return Reported(
        by_model=set(rules.index[is_single]),
        by_rules=set(rules.index[rules.map(lambda ids: bool(ids - {"R052"}))]),
        model_only=set(rules.index[is_single & rules.map(lambda ids: ids == {"R052"})]),
        groups=months,
    )


def measure(run: Path, folder: Path) -> None:
    unusual = pd.read_parquet(folder / "unusual.parquet").set_index("source_row_id")["kind"]
    total = pq.ParquetDataset(folder / "rebate_claims").read(columns=["units"]).num_rows
    planted, usual = (labelled(folder, name) for name in (PLANTED, USUAL))
    claims = reported(run, "REBATE_CLAIM")
    print_flags("claims", total, claims, unusual, planted)
    print_kinds("claims made unusual", unusual, claims, KINDS)
    if len(planted):
        print_kinds("claims that the generator made unusual", planted, claims)
    if len(usual):
        by_kind = usual.groupby(usual).apply(lambda of_kind: of_kind.index.isin(claims.by_model).sum())
        flagged = ", ".join(f"{kind} {count}" for kind, count in by_kind.items() if count)
        print(f"\nlook-alikes flagged: {by_kind.sum():,} of {len(usual):,}{': ' if flagged else ''}{flagged}")
    planted_months = labelled(folder, GROUPS) if (folder / GROUPS).exists() else pd.Series(dtype=str)
    is_entity = planted_months.index.str.startswith("EC")
    print_groups("pharmacies and prescribers", claims, planted_months[~is_entity])
    print_groups("covered entities", reported(run, "ENTITY_CLAIM"), planted_months[is_entity])
    if (folder / "unusual_lines.parquet").exists():
        changed_lines = pd.read_parquet(folder / "unusual_lines.parquet").set_index("source_row_id")["kind"]
        lines = reported(run, "INVOICE")
        print()
        none = pd.Series(dtype=str)
        print_flags("invoice lines", pq.read_table(folder / "invoices.parquet").num_rows, lines, changed_lines, none)
        print_kinds("invoice lines made unusual", changed_lines, lines, tuple(LINE_CHANGES))


def print_flags(rows: str, total: int, found: Reported, unusual: pd.Series, planted: pd.Series) -> None:
    alone = found.model_only
    right, by_generator = len(alone & set(unusual.index)), len(alone & set(planted.index))
    share = len(found.by_model) / total
    print(f"R052 on {len(found.by_model):,} of {total:,} {rows} ({share:.2%}), alone on {len(alone):,}")
    precision = (right + by_generator) / max(1, len(alone))
    print(f"alone and right: {right:,} changed here, {by_generator:,} planted by the generator ({precision:.1%})")


def print_kinds(title: str, kinds: pd.Series, found: Reported, order: tuple[str, ...] = ()) -> None:
    """By kind: rows, and the parts that rules, the model (R052 on the row itself), or either of them flag."""
    sets = {"rules": found.by_rules, "model": found.by_model, "either": found.by_rules | found.by_model}
    is_found = pd.DataFrame({"kind": kinds.to_numpy(), **{name: kinds.index.isin(ids) for name, ids in sets.items()}})
    table = is_found.groupby("kind").mean()
    table.insert(0, "rows", is_found.groupby("kind").size())
    table = table.reindex(list(order)).dropna() if order else table
    table.loc["all"] = [len(kinds), *is_found[list(sets)].mean()]
    print(f"\n{title}")
    print(table.rename_axis(None).to_string(float_format=lambda number: f"{number:.2f}"))


def print_groups(whose: str, found: Reported, planted: pd.Series) -> None:
    """A month is found if half of the claims that a finding names are of it."""
    of = [planted[planted.index.isin(ids)].value_counts() for ids in found.groups]
    kinds = [
        most.index[0] if len(most) and most.iloc[0] * 2 >= len(ids) else None
        for most, ids in zip(of, found.groups, strict=True)
    ]
    print(f"\nmonths of {whose} that stand out: {len(kinds):,}, not planted {kinds.count(None):,}")
    for kind in sorted(planted.unique()):
        print(f"  {kind}: {'found' if kind in kinds else 'missed'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(dest="job", required=True)
    making, measuring = jobs.add_parser("make"), jobs.add_parser("measure")
    making.add_argument("folder", type=Path)
    making.add_argument("target", type=Path)
    making.add_argument("--share", type=float, default=0.009, help="of rebate claims")
    making.add_argument("--lines", type=float, default=0.009, help="of invoice lines")
    making.add_argument("--seed", type=int, default=1)
    measuring.add_argument("run", type=Path)
    measuring.add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.job == "make":
        changed_rows = make(options.folder, options.target, options.share, options.seed, options.lines)
        print(f"{changed_rows:,} rebate claims changed")
    else:
        measure(options.run, options.folder)


if __name__ == "__main__":
    main()
