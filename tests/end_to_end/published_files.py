"""The public data under the names, headers and date formats of their publishers."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd

# Tables of the folder of public data itself, which holds derived copies.
DERIVED = {
    "invoices": {"path": "sdud_ak_2022.csv.gz", "adapter": "sdud"},
    "market_prices": {"path": "nadac_2013_2022.parquet", "adapter": "nadac"},
    "products": {"path": "mdrp_terminated_products.csv.gz", "adapter": "mdrp_products"},
    "covered_entities": {"path": "opais_covered_entities_5_states.csv.gz", "adapter": "opais_entities"},
    "contract_pharmacies": {
        "path": "opais_contract_pharmacies_5_states.csv.gz",
        "adapter": "opais_contract_pharmacies",
    },
    "pharmacy_claims": {"path": "cms_synthetic_pde.psv.gz", "adapter": "cms_pde"},
    "hcpcs_crosswalk": {"path": "cms_asp_ndc_hcpcs_2025q4.csv.gz", "adapter": "asp_crosswalk"},
}
_SPELLINGS = {
    2021: ("NDC Description", "NDC", "NADAC_Per_Unit", "Effective_Date", "Pricing_Unit", "As of Date"),
    2022: ("NDC Description", "NDC", "NADAC Per Unit", "Effective Date", "Pricing Unit", "As of Date"),
}
_PRODUCT_HEADER = {
    "labeler_name": "Labeler Name",
    "product_name": "FDA Product Name",
    "unit_type": "Unit Type",
    "units_per_package": "Units Per Pkg Size",
    "drug_category": "Drug Category",
    "cod_status": "COD Status",
    "market_date": "Market Date",
    "termination_date": "Termination Date",
    "reactivation_date": "Reactivation Date",
}


def publish(public_data: Path, folder: Path) -> Path:
    """Write `conf/public-data.yaml`'s files; prices are those that were in force in 2022."""
    _utilization(public_data, folder)
    _prices(public_data, folder)
    _products(public_data, folder)
    _entities(public_data, folder)
    with gzip.open(public_data / "cms_synthetic_pde.psv.gz") as events:
        (folder / "pde.csv").write_bytes(events.read())
    return folder


def _text(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _us_dates(dates: pd.Series) -> pd.Series:
    return pd.to_datetime(dates, errors="coerce").dt.strftime("%m/%d/%Y").fillna("")


def _utilization(public_data: Path, folder: Path) -> None:
    lines = _text(public_data / "sdud_ak_2022.csv.gz")
    header = {
        name: name.replace("_", " ").title().replace("Ndc", "NDC").replace(" Of ", " of ") for name in lines.columns
    }
    totals = lines.head(1000).assign(state="XX")
    pd.concat([lines, totals]).rename(columns=header).to_csv(folder / "SDUD-2022.csv", index=False)


def _prices(public_data: Path, folder: Path) -> None:
    prices: Any = pd.read_parquet(public_data / "nadac_2013_2022.parquet")
    prices = prices[pd.to_datetime(prices.end_date.astype(str), errors="coerce").fillna("2100-01-01") >= "2022-01-01"]
    starts = pd.to_datetime(prices.effective_date)
    listed = pd.DataFrame(
        {
            "description": "DRUG",
            "ndc": prices.ndc,
            "price": prices.nadac_per_unit.map("{:.5f}".format),
            "start": starts.dt.strftime("%m/%d/%Y"),
            "unit": "EA",
            "listed": (starts + pd.Timedelta(days=7)).dt.strftime("%m/%d/%Y"),
        }
    )
    for year, header in _SPELLINGS.items():
        of_year = listed[(starts.dt.year >= 2022) == (year == 2022)]
        # the next week's list has every price again
        twice = pd.concat([of_year, of_year.assign(listed=f"12/29/{year}")])
        name = f"nadac-national-average-drug-acquisition-cost-12-29-{year}.csv"
        twice.to_csv(folder / name, index=False, header=list(header))


def _products(public_data: Path, folder: Path) -> None:
    products = _text(public_data / "mdrp_terminated_products.csv.gz")
    for name in ("market_date", "termination_date", "reactivation_date"):
        products[name] = _us_dates(products[name])
    products["Labeler Code"], products["Product Code"] = products.ndc.str[:5], products.ndc.str[5:9]
    products["Package Size Code"] = products.ndc.str[9:]
    published = products.drop(columns="ndc").rename(columns=_PRODUCT_HEADER)
    published.to_csv(folder / "drugproducts4q_2025Updated02122026.csv", index=False)


def _entities(public_data: Path, folder: Path) -> None:
    pharmacies = _text(public_data / "opais_contract_pharmacies_5_states.csv.gz")
    contracts: dict[str, list[dict[str, Any]]] = {}
    for row in pharmacies.to_dict("records"):
        address = {"addressLine1": row["address"], **{part: row[part] for part in ("city", "state", "zip")}}
        contract = {"name": row["pharmacy_name"], "address": address}
        if row["begin_date"]:
            contract["beginDate"] = f"{row['begin_date']}T00:00:00"
        contracts.setdefault(row["entity_id"], []).append(contract)
    entities = [
        {
            "id340B": row["entity_id"],
            "name": row["name"],
            "entityType": row["entity_type"],
            "participating": "TRUE",
            "streetAddress": {"addressLine1": row["address"], **{part: row[part] for part in ("city", "state", "zip")}},
            "contractPharmacies": contracts.get(row["entity_id"], []),
        }
        for row in _text(public_data / "opais_covered_entities_5_states.csv.gz").to_dict("records")
    ]
    (folder / "OPA_CE_DAILY_PUBLIC.JSON").write_text(json.dumps({"coveredEntities": entities}), encoding="utf-8")
