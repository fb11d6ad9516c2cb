"""Settings of record linkage (`engine.link`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from engine.settings.base import Fraction, NonNegative, PositiveInt, Section


class LevelPrior(Section):
    """How often a field compares this way, before anything was counted."""

    of_matches: Annotated[float, Field(gt=0, lt=1)] = Field(description="m: among pairs that are one dispense")
    of_others: Annotated[float, Field(gt=0, lt=1)] = Field(description="u: among pairs that are not")


def _priors(**fields: dict[str, tuple[float, float]]) -> dict[str, dict[str, LevelPrior]]:
    return {
        field: {level: LevelPrior(of_matches=m, of_others=u) for level, (m, u) in levels.items()}
        for field, levels in fields.items()
    }


class PharmacyIdentityWeights(Section):
    """Weights of agreement and conflict, in log2 units: n units make the same place 2^n times as likely."""

    name: float = Field(10.0, description="names agree that one place of the area carries; 1 less for twice the places")
    chain_name: float = Field(4.0, description="least that an agreeing name weighs, however many carry it")
    name_near: float = Field(5.0, description="most that a name weighs which only resembles the other")
    name_differs: float = Field(-6.0, description="no name of the one resembles a name of the other")
    store_number: float = Field(11.0, description="same number where the names agree or are near")
    store_number_differs: float = Field(-16.0, description="different stores of one chain, even at one address")
    address: float = Field(12.0, description="same house number and street")
    house_number_differs: float = Field(-6.0, description="another house number, on any street")
    suite_differs: float = Field(-4.0, description="same house number and street, another suite")
    phone: float = Field(13.0, description="same ten digits")
    phone_differs: float = Field(-2.0, description="phone numbers change")
    zip: float = Field(10.0, description="same five digits")
    zip_near: float = Field(5.0, description="same first three digits, or same city and state")
    zip_differs: float = Field(-4.0, description="another part of the country")


class PharmacyIdentitySettings(Section):
    """Contract pharmacies without NPI found again in `pharmacies` (docs/pharmacy-identity.md)."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="least confidence at which it is asserted")
    margin: NonNegative = Field(3.0, description="log2 units by which the best NPI must beat the second best")
    prior: float = Field(-15.0, description="log2 odds that two places are one before anything is compared")
    weights: PharmacyIdentityWeights = PharmacyIdentityWeights()
    name_agrees: Fraction = Field(0.92, description="least Jaro-Winkler similarity of names that agree")
    name_near: Fraction = Field(0.85, description="least Jaro-Winkler similarity of names that are near")
    street_agrees: Fraction = Field(0.85, description="least similarity of the words of streets that agree")
    most_candidates_per_block: PositiveInt = Field(
        10_000, description="pairs that would share a ZIP, phone...; a block with more is skipped"
    )


class MatchRateSettings(Section):
    """When a source's month counts as a feed problem: fewer of its claims link than in its other months."""

    largest_drop: Fraction = Field(0.3, description="part of its usual match rate by which a month may be lower")
    least_expected: PositiveInt = Field(10, description="links to expect in the month; with fewer nothing is reported")
    comparable_size: Fraction = Field(
        0.2, description="share of the month's claims that another month must have to count as usual"
    )
    significance: Fraction = Field(0.001, description="chance of one false alarm in a run, at most")


class LinkSettings(Section):
    """Linking rebate claims to 340B claims; tiers of domain part 4.3."""

    days_apart: Annotated[int, Field(ge=0, le=31)] = Field(
        3, description="between the dates of service of a rebate claim and a 340B claim, at most"
    )
    days_apart_by_mail: Annotated[int, Field(ge=0, le=31)] = Field(7, description="the same for mail_pharmacies")
    mail_pharmacies: tuple[str, ...] = Field((), description="NPIs of mail-order and specialty pharmacies")
    quantity_tolerance_exact: Fraction = Field(0.01, description="relative difference of equal quantities, at most")
    quantity_tolerance_near: Fraction = Field(0.05, description="relative difference of similar quantities, at most")
    most_pairs_per_key: PositiveInt = Field(
        10_000, description="payers' rows x entities' rows of one key; a key with more is excluded and counted"
    )
    fill_offsets: dict[str, int] = Field(
        default_factory=dict,
        description="340B id or payer: number of its first fill, where known; others are learned",
    )
    offset_pairs: PositiveInt = Field(5, description="pairs that a source needs before its offset is learned")
    offset_share: Annotated[float, Field(gt=0.5, le=1)] = Field(0.8, description="of them that must agree on it")
    least_probability: Fraction = Field(0.0, description="pairs less likely to be one dispense are left alone")
    learn_weights: bool = Field(True, description="false: the priors as they are")
    prior_pairs: PositiveInt = Field(50, description="how many counted pairs the priors are worth")
    most_sampled_claims: PositiveInt = Field(2_000, description="340B claims from which chance agreement is counted")
    block_priors: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=lambda: {
            "PRESCRIPTION": 0.95,
            "PHARMACY_LINEAGE": 0.9,
            "PLACE_OF_SERVICE": 0.9,
            "TUPLE": 0.9,
        },
        description="share of pairs of one dispense among candidate pairs of this blocking rule, before estimation",
    )
    level_priors: dict[str, dict[str, LevelPrior]] = Field(
        default_factory=lambda: _priors(
            date_of_service={"SAME": (0.88, 0.07), "NEAR": (0.11, 0.4), "FAR": (0.01, 0.53)},
            product_and_quantity={
                "NDC11/EXACT": (0.88, 0.02),
                "NDC11/CONVERTED": (0.02, 0.001),
                "NDC11/NEAR": (0.02, 0.002),
                "NDC11/FAR": (0.02, 0.02),
                "NDC11/UNKNOWN": (0.01, 0.004),
                "NDC9/EXACT": (0.03, 0.003),
                "NDC9/CONVERTED": (0.002, 0.0005),
                "NDC9/NEAR": (0.002, 0.0005),
                "NDC9/FAR": (0.006, 0.005),
                "NDC9/UNKNOWN": (0.001, 0.001),
                "OTHER": (0.009, 0.943),
            },
            fill_number={"EQUAL": (0.97, 0.45), "DIFFERENT": (0.03, 0.55)},
            prescriber_npi={"SAME": (0.97, 0.1), "DIFFERENT": (0.03, 0.9)},
            bin={"SAME": (0.97, 0.15), "DIFFERENT": (0.03, 0.85)},
        ),
        description="m and u probability of each comparison level by field, before anything was counted",
    )
    pharmacy_identity: PharmacyIdentitySettings = PharmacyIdentitySettings()
    match_rates: MatchRateSettings = MatchRateSettings()

    @field_validator("block_priors", "level_priors")
    @classmethod
    def _complete(cls, priors: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """All of it or none: a part would leave the rest without a prior."""
        expected = cls.model_fields[str(info.field_name)].get_default(call_default_factory=True)
        if _names(priors) != _names(expected):
            raise ValueError(f"expected all of {', '.join(_names(expected))}")
        return priors


def _names(priors: Mapping[str, Any]) -> list[str]:
    """Names of levels with their field's before them, or of what has no levels."""
    return sorted(
        f"{name}.{level}" if level else name
        for name, levels in priors.items()
        for level in (levels if isinstance(levels, dict) else [""])
    )
