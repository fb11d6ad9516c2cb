"""Adapters: public layouts read as contract tables (`docs/public-data.md`)."""

from engine.sources.adapters.fda import FDA_NDC
from engine.sources.adapters.invoices import R144
from engine.sources.adapters.layout import Adapter, Layout, satisfying
from engine.sources.adapters.medicaid import MDRP_PRODUCTS, NADAC, SDUD
from engine.sources.adapters.medicare import ASP_CROSSWALK, CMS_PDE
from engine.sources.adapters.opais import (
    MEDICAID_EXCLUSION_FILE,
    OPAIS_CONTRACT_PHARMACIES,
    OPAIS_ENTITIES,
    OPAIS_EXCEL_CONTRACT_PHARMACIES,
    OPAIS_EXCEL_ENTITIES,
    OPAIS_JSON,
)

ADAPTERS: dict[str, Adapter] = {
    "sdud": SDUD,
    "nadac": NADAC,
    "mdrp_products": MDRP_PRODUCTS,
    "fda_ndc": FDA_NDC,
    "asp_crosswalk": ASP_CROSSWALK,
    "r144": R144,
    "opais_entities": OPAIS_ENTITIES,
    "opais_contract_pharmacies": OPAIS_CONTRACT_PHARMACIES,
    "opais_json": OPAIS_JSON,
    "opais_excel_entities": OPAIS_EXCEL_ENTITIES,
    "opais_excel_contract_pharmacies": OPAIS_EXCEL_CONTRACT_PHARMACIES,
    "medicaid_exclusion_file": MEDICAID_EXCLUSION_FILE,
    "cms_pde": CMS_PDE,
}

__all__ = ["ADAPTERS", "Adapter", "Layout", "satisfying"]
