"""Invented drugs, packages and prices. Real unit rebate amounts are confidential: 42 U.S.C. 1396r-8(b)(3)(D)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any

import numpy as np

from synthetic.calendar import QUARTERS, day
from synthetic.identifiers import generator

LABELERS = 30
ORDINARY_PRODUCTS = 400
TWIN_PAIRS = 15
LARGE_PACKAGES, LARGE_PACKAGE_TIMES, LARGE_PACKAGE_CODE = 12, 8, "31"
LARGE_PACKAGE_PRICE = 85  # percent of the price per unit of the usual package
POPULARITY_EXPONENT = 0.7
NO_DAY = np.iinfo(np.int64).min

UNIT_TYPES = ("TAB", "CAP", "ML", "GM", "EA", "TDP")
UNITS_OF_MEASURE = ("EA", "EA", "ML", "GM", "EA", "EA")
DRUG_CATEGORIES = ("S", "I", "N")
COD_STATUSES = ("03", "04", "01", "05", "07")  # by category (NDA, authorized generic, ANDA); DESI, prenatal vitamin
DESI, PRENATAL_VITAMIN = 3, 4

_TABLET, _CAPSULE, _MILLILITRE, _GRAM, _EACH = range(5)
VIAL = 2_500  # thousandths of a milliliter
_SYLLABLES = ("zor", "val", "tri", "mex", "pra", "lun", "dex", "for", "cal", "nib", "ser", "oxa", "viv", "hem")
_ENDINGS = ("in", "ol", "ide", "ine", "ab", "ix")


class Pool(IntEnum):
    """The use of a product. Products outside ORDINARY, INFUSED and LOCAL are dispensed in planned cases only, so that
    the cases do not change the peers of an ordinary product.
    """

    ORDINARY = 0
    LOCAL = 1  # on the preferred drug list of a single state
    RETIRED = 2  # terminated more than a year before the first quarter
    YEAR_AFTER = 3  # the 365th day after termination is in the quarters
    REACTIVATED = 4
    LAUNCH = 5  # comes to market within the quarters
    INFUSED = 6  # administered by a provider, billed with HCPCS
    CLINIC = 7  # bought at 340B prices by carve-in clinics only
    SELECTED = 8  # has a Maximum Fair Price; part of the ordinary products
    TWIN = 9  # comes in two packages; part of the ordinary products
    EXCLUDED = 11  # not a covered outpatient drug (DESI)
    SOLD = 12  # under a labeler code that went to another company
    AT_340B = 10  # ordinary products that covered entities buy at 340B prices
    ORPHAN = 13  # orphan drugs; part of the ordinary products
    CAPSULE = 14  # one package per fill; part of the ordinary products
    TUBE = 15  # of ointment, one package per fill; part of the ordinary products
    LOCAL_LIQUID = 16  # as LOCAL, in vials with a fraction of a milliliter
    UNKNOWN = 17  # never reported: in no product file and without prices
    BACK_SOON = 18  # terminated in the year before the first quarter, and reactivated before it
    PRENATAL = 19  # vitamins that are covered nevertheless; part of the ordinary products
    KIT = 21  # unit EA, one package per fill; part of the ordinary products
    SHORT_WINDOW = 22  # entities report it sooner than others
    LONG_WINDOW = 23  # or later
    OF_MOVERS = 24  # bought only by entities that change parents
    LARGE_PACKAGE = 25  # rarely dispensed; the product also has a usual package
    TELEHEALTH = 20  # one doctor prescribes it for patients of every state; part of the ordinary products


_SPECIAL = {
    Pool.LOCAL: 5,
    Pool.RETIRED: 12,
    Pool.YEAR_AFTER: 6,
    Pool.REACTIVATED: 6,
    Pool.LAUNCH: 6,
    Pool.INFUSED: 20,
    Pool.CLINIC: 12,
    Pool.EXCLUDED: 6,
    Pool.SOLD: 6,
    Pool.LOCAL_LIQUID: 1,
    Pool.UNKNOWN: 4,
    Pool.SHORT_WINDOW: 2,
    Pool.LONG_WINDOW: 2,
    Pool.OF_MOVERS: 2,
}
SOLD_LABELER = "98765"
LABELER_SOLD = day(2025, 10, 1)
BACK_SOON_PRODUCTS = 2
TELEHEALTH_PLACE = 5  # of the product, by popularity
LEFT_BRIEFLY, CAME_BACK = day(2024, 10, 1), day(2024, 12, 1)  # of products that were back soon


@dataclass(frozen=True)
class Products:
    """One entry per NDC-11. Quantities are in thousandths of a unit, prices in millionths of a dollar per unit."""

    ndc: list[str]
    hyphenated: list[str]
    name: list[str]
    labeler: list[str]
    family: np.ndarray  # equal for packages of one NDC-9
    twin: np.ndarray  # the other package of the family; itself if there is none
    pools: dict[Pool, np.ndarray]
    popularity: np.ndarray  # cumulative, over the ordinary products
    popularity_340b: np.ndarray  # cumulative, over the pool AT_340B
    local_product: np.ndarray  # per state: its LOCAL product, or -1
    unit_type: np.ndarray
    package: np.ndarray  # units per package
    fill: np.ndarray  # units of a usual fill: of 30 days, or one administration
    is_tablet: np.ndarray
    category: np.ndarray
    orphan: np.ndarray
    market_day: np.ndarray
    termination_day: np.ndarray
    reactivation_day: np.ndarray
    hcpcs_number: np.ndarray  # J-code, or -1
    hcpcs_units: np.ndarray  # thousandths, of one administration
    hcpcs_factor: np.ndarray  # NDC units per HCPCS unit, millionths
    wac: np.ndarray  # products x quarters
    ura: np.ndarray
    ceiling: np.ndarray
    mfp: np.ndarray  # 0: none

    @property
    def count(self) -> int:
        """Number of products."""
        return len(self.ndc)


def build_products(seed: int, local_states: np.ndarray, states: int) -> Products:
    """Products of a seed. `local_states`: the states that have a product of their own."""
    rng = generator(seed, "products")
    pool = np.repeat([Pool.ORDINARY, *_SPECIAL], [ORDINARY_PRODUCTS, *_SPECIAL.values()])
    count = len(pool)
    pools = {kind: np.flatnonzero(pool == kind) for kind in (Pool.ORDINARY, *_SPECIAL)}
    ordinary = np.arange(ORDINARY_PRODUCTS)
    pools[Pool.SELECTED] = ordinary[2:100:10]
    first_twins = ordinary[5 : 5 + 20 * TWIN_PAIRS : 20]
    pools[Pool.TWIN] = np.sort(np.concatenate([first_twins, first_twins + 1]))
    local_product = np.full(states, -1)
    local_product[local_states] = np.concatenate([pools[Pool.LOCAL], pools[Pool.LOCAL_LIQUID]])

    must_be_tablets = np.isin(
        pool, [Pool.LOCAL, Pool.LAUNCH, Pool.YEAR_AFTER, Pool.EXCLUDED, Pool.SOLD, Pool.UNKNOWN]
    ) | np.isin(np.arange(count), np.concatenate([pools[Pool.SELECTED], pools[Pool.TWIN]]))
    unit_type = rng.choice(len(UNIT_TYPES), count, p=[0.45, 0.2, 0.14, 0.08, 0.08, 0.05])
    unit_type[must_be_tablets] = _TABLET
    unit_type[np.concatenate([pools[Pool.INFUSED], pools[Pool.LOCAL_LIQUID]])] = _MILLILITRE
    is_tablet = unit_type <= _CAPSULE
    daily = rng.integers(1, 3, count)
    fill, package, is_bulk = _packages(unit_type, daily, rng)
    package[first_twins], package[first_twins + 1] = 30_000, 60_000
    fill[pools[Pool.TWIN]] = 60_000
    package[pools[Pool.LOCAL_LIQUID]] = fill[pools[Pool.LOCAL_LIQUID]] = VIAL
    tied = np.concatenate([pools[Pool.LOCAL], pools[Pool.SELECTED], pools[Pool.TWIN], pools[Pool.CLINIC]])
    is_bulk[tied] = False
    # entities buy whole packages
    bought = (Pool.RETIRED, Pool.REACTIVATED, Pool.SHORT_WINDOW, Pool.LONG_WINDOW, Pool.OF_MOVERS)
    is_bulk[np.concatenate([pools[kind] for kind in bought])] = False
    package = np.where(is_bulk, rng.choice([100_000, 500_000], count), package)
    hcpcs_units, hcpcs_factor = _hcpcs(count, pools[Pool.INFUSED], rng)
    infused = pools[Pool.INFUSED]
    fill[infused] = hcpcs_units[infused] * hcpcs_factor[infused] // 1_000_000
    package[infused] = fill[infused]

    orphan = np.zeros(count, dtype=bool)
    orphan[ordinary[rng.permutation(ORDINARY_PRODUCTS)[:12]]] = True
    orphan[tied] = False
    one_package = (fill == package)[:ORDINARY_PRODUCTS]
    pools[Pool.CAPSULE] = ordinary[(unit_type == _CAPSULE)[:ORDINARY_PRODUCTS] & one_package]
    pools[Pool.TUBE] = ordinary[(unit_type == _GRAM)[:ORDINARY_PRODUCTS] & one_package]
    kits = ordinary[(unit_type == _EACH)[:ORDINARY_PRODUCTS] & one_package]
    # with many pieces, so that half a piece more is close to the usual units
    pools[Pool.KIT] = kits[package[kits] == package[kits].max()]
    pools[Pool.ORPHAN] = ordinary[~is_bulk[:ORDINARY_PRODUCTS] & orphan[:ORDINARY_PRODUCTS]]
    at_340b = ordinary[~is_bulk[:ORDINARY_PRODUCTS] & ~orphan[:ORDINARY_PRODUCTS]]
    pools[Pool.TELEHEALTH] = np.setdiff1d(at_340b, tied)[TELEHEALTH_PLACE][None]
    pools[Pool.AT_340B] = np.setdiff1d(at_340b, pools[Pool.TELEHEALTH])
    pools[Pool.PRENATAL] = ordinary[7::50]
    pools[Pool.BACK_SOON] = pools[Pool.REACTIVATED][-BACK_SOON_PRODUCTS:]
    pools[Pool.REACTIVATED] = pools[Pool.REACTIVATED][:-BACK_SOON_PRODUCTS]
    weight = (1.0 + ordinary) ** -POPULARITY_EXPONENT
    twin = np.arange(count)
    twin[first_twins], twin[first_twins + 1] = first_twins + 1, first_twins

    labelers, products, packages = _codes(count, twin, rng)
    for sold in pools[Pool.SOLD]:
        labelers[sold] = SOLD_LABELER
    category = rng.choice(3, count, p=[0.7, 0.15, 0.15])
    category[tied] = 0
    category[first_twins + 1] = category[first_twins]
    market_day, termination_day, reactivation_day = _life(count, pools, rng)
    wac, ura, ceiling, mfp = _prices(unit_type, category, pools, first_twins, rng)
    made = Products(
        ndc=[f"{a}{b}{c}" for a, b, c in zip(labelers, products, packages, strict=True)],
        hyphenated=[_hyphenated(a, b, c) for a, b, c in zip(labelers, products, packages, strict=True)],
        name=_names(unit_type, twin, rng),
        labeler=labelers,
        family=np.minimum(np.arange(count), twin),
        twin=twin,
        pools=pools,
        popularity=_cumulative(weight),
        popularity_340b=_cumulative(weight[pools[Pool.AT_340B]]),
        local_product=local_product,
        unit_type=unit_type,
        package=package,
        fill=fill,
        is_tablet=is_tablet,
        category=category,
        orphan=orphan,
        market_day=market_day,
        termination_day=termination_day,
        reactivation_day=reactivation_day,
        hcpcs_number=np.where(pool == Pool.INFUSED, 1000 + np.arange(count), -1),
        hcpcs_units=hcpcs_units,
        hcpcs_factor=hcpcs_factor,
        wac=wac,
        ura=ura,
        ceiling=ceiling,
        mfp=mfp,
    )
    return _with_large_packages(made)


def _with_large_packages(products: Products) -> Products:
    """`products` with further packages of some of those that are dispensed one package at a time. They are
    appended, so that the others do not change.
    """
    of = products.pools[Pool.TUBE][:LARGE_PACKAGES]
    copied: dict[str, Any] = {}
    for field in fields(Products):
        values = getattr(products, field.name)
        if isinstance(values, list):
            copied[field.name] = [*values, *(values[product] for product in of.tolist())]
        elif isinstance(values, np.ndarray) and len(values) == products.count:
            copied[field.name] = np.concatenate([values, values[of]])
    large = products.count + np.arange(len(of))
    copied["twin"][large] = of
    for name in ("package", "fill"):
        copied[name][large] *= LARGE_PACKAGE_TIMES
    for name in ("wac", "ura", "ceiling", "mfp"):
        copied[name][large] = copied[name][large] * LARGE_PACKAGE_PRICE // 100
    for product in large.tolist():
        ndc = copied["ndc"][product]
        copied["ndc"][product] = f"{ndc[:9]}{LARGE_PACKAGE_CODE}"
        copied["hyphenated"][product] = _hyphenated(ndc[:5], ndc[5:9], LARGE_PACKAGE_CODE)
    return replace(products, **copied, pools={**products.pools, Pool.LARGE_PACKAGE: large})


def _cumulative(weight: np.ndarray) -> np.ndarray:
    total = np.cumsum(weight)
    return total / total[-1]


def _packages(
    unit_type: np.ndarray, daily: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units of a usual fill, units per package (a fill is whole packages), and whether a bulk bottle instead."""
    is_tablet = unit_type <= _CAPSULE
    sizes = np.array(
        [
            [0, 0, 0],
            [0, 0, 0],
            [2_500, 10_000, 120_000],
            [15_000, 30_000, 60_000],
            [1_000, 1_000, 4_000],
            [4_000, 8_000, 30_000],
        ]
    )
    package = np.where(is_tablet, 30_000, sizes[unit_type, rng.integers(0, 3, len(unit_type))])
    return package * daily, package, is_tablet & (rng.random(len(unit_type)) < 0.15)


def _hcpcs(count: int, infused: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """HCPCS units of one administration and NDC units per HCPCS unit; never one to one."""
    units, factor = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    units[infused] = rng.choice([20, 40, 100, 200], len(infused)) * 1_000
    factor[infused] = rng.choice([50_000, 100_000, 200_000, 500_000], len(infused))
    return units, factor


def _codes(count: int, twin: np.ndarray, rng: np.random.Generator) -> tuple[list[str], list[str], list[str]]:
    """Labeler, product and package codes; twins share labeler and product code."""
    labeler_codes = [f"{9_900 + 3 * i:05d}" if i % 4 == 0 else f"{91_000 + 137 * i:05d}" for i in range(LABELERS)]
    labeler = rng.integers(0, LABELERS, count)
    product = 100 + 17 * np.arange(count)
    first = np.minimum(np.arange(count), twin)
    package = np.where(first == np.arange(count), 1 + rng.integers(0, 9, count), 30)
    return (
        [labeler_codes[i] for i in labeler[first]],
        [f"{i:04d}" for i in product[first]],
        [f"{i:02d}" for i in package],
    )


def _hyphenated(labeler: str, product: str, package: str) -> str:
    """A form that becomes the same eleven digits: 4-4-2 or 5-3-2 if a zero can be omitted, else 5-4-2."""
    if labeler.startswith("0"):
        return f"{labeler[1:]}-{product}-{package}"
    if product.startswith("0"):
        return f"{labeler}-{product[1:]}-{package}"
    return f"{labeler}-{product}-{package}"


def _names(unit_type: np.ndarray, twin: np.ndarray, rng: np.random.Generator) -> list[str]:
    parts = rng.integers(0, len(_SYLLABLES), (len(unit_type), 2))
    endings = rng.integers(0, len(_ENDINGS), len(unit_type))
    strengths = rng.choice([5, 10, 20, 40, 100, 250], len(unit_type))
    return [
        f"{(_SYLLABLES[parts[i, 0]] + _SYLLABLES[parts[i, 1]] + _ENDINGS[endings[i]]).capitalize()} "
        f"{strengths[i]} {UNIT_TYPES[unit_type[i]]}"
        for i in np.minimum(np.arange(len(unit_type)), twin).tolist()
    ]


def _life(
    count: int, pools: dict[Pool, np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Market, termination and reactivation day."""
    market = day(2008, 1, 1) + rng.integers(0, 5_000, count)
    termination = np.full(count, NO_DAY)
    reactivation = np.full(count, NO_DAY)
    market[pools[Pool.LAUNCH]] = day(2025, 5, 1) + rng.integers(0, 240, len(pools[Pool.LAUNCH]))
    retired, year_after, back = pools[Pool.RETIRED], pools[Pool.YEAR_AFTER], pools[Pool.REACTIVATED]
    termination[retired] = day(2022, 1, 1) + rng.integers(0, 690, len(retired))
    termination[year_after] = day(2024, 2, 1) + rng.integers(0, 420, len(year_after))
    termination[back] = day(2022, 6, 1) + rng.integers(0, 300, len(back))
    reactivation[back] = day(2023, 9, 1) + rng.integers(0, 300, len(back))
    termination[pools[Pool.BACK_SOON]], reactivation[pools[Pool.BACK_SOON]] = LEFT_BRIEFLY, CAME_BACK
    return market, termination, reactivation


def _prices(
    unit_type: np.ndarray,
    category: np.ndarray,
    pools: dict[Pool, np.ndarray],
    first_twins: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """WAC, URA, 340B ceiling and MFP per unit and quarter.

    URA is at least 23.1 % (innovators) or 13 % of AMP; the ceiling is AMP - URA, at least a cent: 42 CFR 10.10.
    """
    count = len(unit_type)
    low, high = np.array([2, 2, 15, 4, 60, 20])[unit_type], np.array([40, 40, 300, 40, 900, 80])[unit_type]
    first_wac = np.exp(rng.uniform(np.log(low), np.log(high)))
    first_wac[first_twins + 1] = first_wac[first_twins]
    share = np.where(category == 2, 0.13, rng.uniform(0.231, 0.6, count))
    at_least = np.concatenate([pools[Pool.LOCAL], pools[Pool.SELECTED]])
    share[at_least] = np.maximum(share[at_least], 0.45)
    share[pools[Pool.ORDINARY][[50, 120, 250]]] = 1.0  # penny prices
    share[first_twins + 1] = share[first_twins]
    rise = 1 + rng.uniform(0, 0.04, count)
    rise[first_twins + 1] = rise[first_twins]
    wac = np.empty((count, len(QUARTERS)), dtype=np.int64)
    for index, quarter in enumerate(QUARTERS):
        wac[:, index] = np.round(first_wac * (rise if quarter >= "2026" else 1.0) * 10_000) * 100
    amp = wac * 9 // 10
    ura = np.round(amp * share[:, None]).astype(np.int64)
    ceiling = np.maximum(amp - ura, 10_000)
    mfp = np.zeros_like(wac)
    in_force = [index for index, quarter in enumerate(QUARTERS) if quarter >= "2026"]
    for product in pools[Pool.SELECTED]:
        mfp[product, in_force] = np.maximum(wac[product, in_force] * 62 // 100, ceiling[product, in_force] + 1_000)
    return wac, ura, ceiling, mfp
