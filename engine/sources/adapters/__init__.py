"""Adapters: public layouts read as contract tables (`docs/public-data.md`)."""

from engine.sources.adapters.layout import Adapter
from engine.sources.adapters.medicaid import MDRP_PRODUCTS, NADAC, SDUD
from engine.sources.adapters.medicare import CMS_PDE
from engine.sources.adapters.opais import OPAIS_CONTRACT_PHARMACIES, OPAIS_ENTITIES, OPAIS_JSON

ADAPTERS: dict[str, Adapter] = {
    "sdud": SDUD,
    "nadac": NADAC,
    "mdrp_products": MDRP_PRODUCTS,
    "opais_entities": OPAIS_ENTITIES,
    "opais_contract_pharmacies": OPAIS_CONTRACT_PHARMACIES,
    "opais_json": OPAIS_JSON,
    "cms_pde": CMS_PDE,
}

__all__ = ["ADAPTERS", "Adapter"]
