"""Settings of generated claims (`synthetic`)."""

from __future__ import annotations

from pydantic import Field, model_validator

from engine.settings.base import Fraction, PositiveInt, Section


class MessSettings(Section):
    """How differently payers and covered entities write down one dispense (domain part 4.2).

    Unless stated otherwise, a rate is of the dispenses that an entity reports. Not all kinds occur on one dispense:
    what is needed to link it stays. By default nothing is so bad that tiers T1 to T4 would not link it.
    """

    padded_rx_rate: Fraction = Field(0.02, description="of rows: Rx number filled with zeros to 12 digits")
    suffixed_rx_rate: Fraction = Field(0.01, description="of rows: fill number appended to the Rx number")
    hyphenated_ndc_rate: Fraction = Field(0.02, description="of rows: NDC with hyphens")
    ncpdp_only_rate: Fraction = Field(0.01, description="of rebate rows of retail pharmacies: no NPI, NCPDP id only")
    missing_fill_rate: Fraction = Field(0.12, description="fill number unknown to payer or entity")
    shifted_date_rate: Fraction = Field(0.12, description="the entity's date one to three days off")
    other_package_rate: Fraction = Field(0.05, description="the entity names another package of the drug")
    parent_id_rate: Fraction = Field(0, description="a child site reports under its parent's 340B id")
    other_prescriber_rate: Fraction = Field(0, description="prescriber unknown to a side, or another of the practice")
    quantity_in_packages_rate: Fraction = Field(0, description="the entity counts packages instead of units")
    npi_succession_rate: Fraction = Field(0, description="one side still uses the pharmacy's NPI of before it changed")
    central_fill_rate: Fraction = Field(0, description="the payer names the retailer, the entity the filling pharmacy")
    missing_rx_rate: Fraction = Field(0, description="Rx number of a side is no number, such as 0 or 12")
    fill_offset_rate: Fraction = Field(0, description="of payers and of entities: count fills from 1")
    hashed_entity_rate: Fraction = Field(0, description="of entities: hash Rx numbers that payers send plain")
    both_hashed_rate: Fraction = Field(0, description="of entities: Rx numbers hashed by payers too, in one scheme")
    stranger_rate: Fraction = Field(
        0, description="another person's claim with the same pharmacy and Rx number within three days, on one side"
    )

    @model_validator(mode="after")
    def _entities_are_enough(self) -> MessSettings:
        if self.hashed_entity_rate + self.both_hashed_rate > 1:
            raise ValueError("hashed_entity_rate and both_hashed_rate are more than all entities together")
        return self


class SyntheticSettings(Section):
    """Rates of the generated claims; base rates of domain part 3.6."""

    medicaid_share_340b: Fraction = Field(0.12, description="of Medicaid dispenses: filled with 340B stock")
    other_share_340b: Fraction = Field(0.12, description="of commercial and Medicare dispenses: 340B stock")
    duplicate_discount_rate: Fraction = Field(
        0, description="of dispenses of 340B stock without a planted case: the payer also bills a rebate"
    )
    violation_rate: Fraction = Field(0.002, description="of dispenses, per planted rule")
    look_alike_rate: Fraction = Field(0.002, description="of dispenses, per kind of look-alike")
    combination_rate: Fraction = Field(0.00004, description="of dispenses, per combination of planted cases")
    anomaly_rate: Fraction = Field(0.0005, description="of dispenses, per kind of anomaly that no rule describes")
    late_reversal_rate: Fraction = Field(0.0005, description="of dispenses: reversed after the claim was received")
    reversal_rate: Fraction = Field(0.08, description="of pharmacy dispenses: reversed, billed again or not")
    partial_fill_rate: Fraction = Field(0.015, description="of Medicaid dispenses: filled in two parts")
    refill_rate: Fraction = Field(0.4, description="of dispenses: a further fill of an earlier prescription")
    redelivered_rate: Fraction = Field(0.002, description="of rebate claims: sent twice")
    adjusted_rate: Fraction = Field(0.02, description="of rebate claims: adjusted or voided")
    medical_rate: Fraction = Field(0.05, description="of dispenses: given by a provider and billed with HCPCS")
    third_party_rate: Fraction = Field(0.03, description="of Medicaid claims: others paid a part")
    dashed_quarter_rate: Fraction = Field(0.01, description="of rebate rows: period as 2025-Q1")
    mess: MessSettings = MessSettings()
    dispenses_per_chunk: PositiveInt = Field(50_000, description="generated at a time; part of the random seed")
