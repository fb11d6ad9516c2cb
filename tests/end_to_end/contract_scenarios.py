"""Small worlds that the contract decides, each with products, pharmacies, entities and claims of its own.

Expectations were written from the contract, by hand, before the program was asked. `Expected` of a row: its rules and
their classes, and what the finding says; None: no finding may be drafted or classed MEDIUM and above on that row.
"""

from __future__ import annotations

import csv
import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests import hostile_texts

AS_OF = "2026-02-15"
NOT_STATED = "not stated"
PRICES = {"unit_rebate_amount": "2.5", "wac_unit": "10", "ceiling_unit": "1.5"}


@dataclass(frozen=True)
class Expected:
    """rules: rule id and class. code: "" for none. at_issue: units and dollars. due: the deadline and its kind.
    drafted: the units of its dispute line, None where there is to be none. What is not stated is not looked at.
    """

    rules: dict[str, str]
    code: str | None = None
    action: str | None = None
    route: str | None = None
    party: str | None = None
    due: tuple[str, str] | None = None
    at_issue: tuple[str, str] | None = None
    drafted: str | None = NOT_STATED


@dataclass
class World:
    """One scenario: its tables, and what is expected of its rows."""

    name: str
    number: int
    tables: dict[str, list[dict[str, str]]] = field(default_factory=lambda: defaultdict(list))
    expected: dict[str, Expected | None] = field(default_factory=dict)

    @property
    def ndc(self) -> str:
        return f"00002{1000 + self.number}01"

    @property
    def npi(self) -> str:
        return npi(self.number)

    @property
    def entity(self) -> str:
        return f"DSH{10_000 + self.number}"

    def row(self, name: str) -> str:
        return f"{self.number:02}/{name}"

    def add(self, table: str, **values: object) -> None:
        self.tables[table].append({name: "" if value is None else str(value) for name, value in values.items()})

    def claim(self, name: str, **values: object) -> None:
        """A rebate claim: 30 units of the scenario's product, fee-for-service of Kentucky, for 2025Q3."""
        usual = {
            "source_row_id": self.row(name),
            "program": "MDRP_FFS",
            "payer_id": "KY",
            "state": "KY",
            "claim_id": f"C{self.number:02}",
            "transaction": "ORIGINAL",
            "claim_type": "RX",
            "pharmacy_npi": self.npi,
            "rx_number": f"{7_000_000 + self.number}",
            "fill_number": 0,
            "date_of_service": "2025-08-01",
            "paid_date": "2025-08-05",
            "ndc": self.ndc,
            "units": 30,
            "days_supply": 30,
            "compound_code": "1",
            "modifiers": None,
            "amount_paid": "300.00",
            "amount_third_party": "0",
            "unit_rebate_amount": "2.5",
            "rebate_amount": "75.00",
            "period": "2025Q3",
            "received_at": "2025-11-01T12:00:00",
        }
        self.add("rebate_claims", **(usual | values))

    def mfp(self, name: str, **values: object) -> None:
        """A refund claim of January 2026 at WAC 10, MFP 4: 180 dollars for 30 units."""
        usual = {
            "program": "MFP",
            "payer_id": "MTF",
            "state": None,
            "date_of_service": "2026-01-15",
            "paid_date": None,
            "period": "2026Q1",
            "unit_rebate_amount": "6",
            "rebate_amount": "180.00",
            "mtf_transaction_code": "001",
            "received_at": "2026-02-10T12:00:00",
        }
        self.claim(name, **(usual | values))

    def claim_340b(self, name: str, **values: object) -> None:
        """What the scenario's entity reports as dispensed at the 340B price: the same dispense."""
        usual = {
            "source_row_id": self.row(name),
            "entity_id": self.entity,
            "claim_type": "RX",
            "pharmacy_npi": self.npi,
            "rx_number": f"{7_000_000 + self.number}",
            "fill_number": 0,
            "date_of_service": "2025-08-01",
            "ndc": self.ndc,
            "quantity": 30,
            "is_340b": "true",
            "submitted_at": "2025-08-10T12:00:00",
        }
        self.add("entity_claims", **(usual | values))

    def transaction(self, name: str, code: str, at: str) -> None:
        """What the scenario's pharmacy transmitted."""
        self.add(
            "pharmacy_claims",
            source_row_id=self.row(name),
            transaction_code=code,
            pharmacy_npi=self.npi,
            rx_number=f"{7_000_000 + self.number}",
            fill_number=0,
            date_of_service="2025-08-01",
            transaction_at=at,
            ndc=self.ndc,
            quantity=30,
            received_at="2025-11-01T12:00:00",
        )

    def settlement(self, **values: object) -> None:
        usual = {
            "program": "MDRP_FFS",
            "state": "KY",
            "ndc": self.ndc,
            "period": "2025Q3",
            "kind": "STATE_CREDIT",
            "units": 30,
            "claim_id": f"C{self.number:02}",
        }
        self.add("settlements", **(usual | values))

    def invoice(self, state: str, **values: object) -> None:
        """A federal fee-for-service line of a state for 2025Q3."""
        usual = {
            "program": "MDRP_FFS",
            "state": state,
            "ndc": self.ndc,
            "period": "2025Q3",
            "invoice_number": f"I{self.number}",
            "line_kind": "CURRENT",
            "unit_rebate_amount": "2.5",
            "received_date": "2025-11-20",
            "postmark_date": "2025-11-18",
        }
        self.add("invoices", **(usual | values))

    def expect_line(self, state: str, *, kind: str = "CURRENT", **said: object) -> None:
        """As `expect`, of the scenario's invoice line of a state."""
        self._expect(f"MDRP_FFS/{state}/{self.ndc}/2025Q3/I{self.number}/{kind}", said)

    def expect(self, name: str, **said: object) -> None:
        """Of a row: its rules and their classes, and fields of `Expected`."""
        self._expect(self.row(name), said)

    def _expect(self, row: str, said: dict[str, object]) -> None:
        names = ("code", "action", "route", "party", "due", "at_issue", "drafted")
        rules = {name: str(value) for name, value in said.items() if name not in names}
        self.expected[row] = Expected(rules, **{name: said[name] for name in names if name in said})

    def silent(self, *names: str) -> None:
        """None of these rows may be flagged at MEDIUM or above."""
        self.expected |= {self.row(name): None for name in names}


def npi(number: int) -> str:
    """A valid NPI (Luhn with prefix 80840), another for each number."""
    base = f"1{number:08}"
    digits = [int(digit) for digit in "80840" + base]
    doubled = [2 * digit - 9 * (digit > 4) if place % 2 == 0 else digit for place, digit in enumerate(digits[::-1])]
    return base + str(-sum(doubled) % 10)


SCENARIOS: list[Callable[[World], None]] = []


def scenario(build: Callable[[World], None]) -> Callable[[World], None]:
    SCENARIOS.append(build)
    return build


# --- 340B claims ---


@scenario
def reported_by_an_entity(world: World) -> None:
    world.claim("r")
    world.claim_340b("e")
    world.expect("r", R003="STRONG", code="X", action="DISPUTE", at_issue=("30.000", "75.00"), drafted="30.000")


@scenario
def reversed_by_the_entity(world: World) -> None:
    world.claim("r")
    world.claim_340b("e")
    world.claim_340b("back", status="REVERSED", submitted_at="2025-08-20T12:00:00")
    world.silent("r")


@scenario
def a_status_that_cannot_be_read_is_no_submission(world: World) -> None:
    world.claim("r")
    world.claim_340b("e", status="REVERSE")
    world.silent("r")


@scenario
def another_quantity_without_a_fill_number(world: World) -> None:
    world.claim("r", units=90, rebate_amount="225.00", days_supply=90)
    world.claim_340b("e", fill_number=None)
    world.expect("r", R003="MEDIUM", code="X", at_issue=("90.000", "225.00"))


@scenario
def federal_and_supplemental_rebates_of_one_dispense(world: World) -> None:
    """Bought once: a package of 30 units does for both."""
    world.claim("federal", rebate_type="FEDERAL")
    world.claim("supplemental", rebate_type="SUPPLEMENTAL", unit_rebate_amount="0.8", rebate_amount="24.00")
    world.claim_340b("e")
    world.tables["chargebacks"][0]["packages"] = "1"
    world.expect("federal", R003="STRONG", at_issue=("30.000", "75.00"), drafted="30.000")
    world.expect("supplemental", R003="STRONG", at_issue=("30.000", "24.00"), drafted="30.000")


@scenario
def two_sites_of_one_parent_by_their_ids(world: World) -> None:
    world.claim_340b("e", entity_id="CAH771234")
    world.claim_340b("site", entity_id="CAH771234A", submitted_at="2025-08-11T12:00:00")
    world.silent("e")
    world.expect("site", R047="STRONG")  # reported again by one system, not by two entities


@scenario
def two_entities(world: World) -> None:
    world.claim_340b("e")
    world.claim_340b("other", entity_id="RRC220099", submitted_at="2025-08-11T12:00:00")
    world.expect("e", R046="STRONG")
    world.expect("other", R046="STRONG")


# --- lineage ---


@scenario
def a_void_cancels_every_version(world: World) -> None:
    world.claim("first")
    world.claim("second", transaction="ADJUSTMENT", units=28, received_at="2025-11-02T12:00:00")
    world.claim("void", transaction="VOID", received_at="2025-11-03T12:00:00")
    world.claim_340b("e")
    world.silent("first", "second", "void")


@scenario
def an_adjustment_replaces(world: World) -> None:
    world.claim("first")
    world.claim("second", transaction="ADJUSTMENT", units=28, rebate_amount="70.00", received_at="2025-11-02T12:00:00")
    world.claim_340b("e", quantity=28)
    world.silent("first")
    world.expect("second", R003="STRONG", at_issue=("28.000", "70.00"), drafted="28.000")


@scenario
def a_file_sent_again(world: World) -> None:
    world.claim("first")
    world.claim("again", received_at="2025-11-02T12:00:00")
    world.claim_340b("e")
    world.expect("first", R003="STRONG", drafted="30.000")
    world.silent("again")


@scenario
def billed_again_after_a_void(world: World) -> None:
    world.claim("first")
    world.claim("void", transaction="VOID", received_at="2025-11-02T12:00:00")
    world.claim("again", received_at="2025-11-03T12:00:00")
    world.claim_340b("e")
    world.silent("first", "void")
    world.expect("again", R003="STRONG", drafted="30.000")


@scenario
def a_later_row_of_negative_units(world: World) -> None:
    world.claim("r")
    world.claim(
        "back",
        claim_id="C-back",
        units=-30,
        rebate_amount="-75.00",
        period="2025Q4",
        paid_date="2025-10-05",
        received_at="2026-01-20T12:00:00",
    )
    world.claim_340b("e")
    world.silent("r", "back")


@scenario
def a_part_taken_back(world: World) -> None:
    world.claim("r")
    world.claim("back", claim_id="C-back", units=-10, rebate_amount="-25.00", received_at="2025-11-05T12:00:00")
    world.claim_340b("e")
    world.expect("r", R003="STRONG", action="DISPUTE", at_issue=("20.000", "50.00"), drafted="20.000")
    world.silent("back")


# --- duplicates ---


@scenario
def twice_with_equal_parts_of_third_parties(world: World) -> None:
    world.claim("r", amount_third_party="40.00")
    world.claim("again", claim_id="C-again", amount_third_party="40.00", received_at="2025-11-02T12:00:00")
    world.silent("r")
    world.expect("again", R016="STRONG", code="M", action="DISPUTE", at_issue=("30.000", "75.00"), drafted="30.000")


@scenario
def a_second_payer_of_the_rest(world: World) -> None:
    world.claim("r")
    world.claim("rest", claim_id="C-rest", amount_third_party="250.00", received_at="2025-11-02T12:00:00")
    world.silent("r", "rest")


@scenario
def third_parties_not_reported(world: World) -> None:
    world.claim("r", amount_third_party=None)
    world.claim("again", claim_id="C-again", amount_third_party=None, received_at="2025-11-02T12:00:00")
    world.silent("r")
    world.expect("again", R016="MEDIUM", code="M")


@scenario
def in_both_programs_with_one_rebate_type_unsaid(world: World) -> None:
    world.claim("r")
    world.claim(
        "managed", program="MDRP_MCO", rebate_type="FEDERAL", claim_id="C-mco", received_at="2025-11-02T12:00:00"
    )
    world.silent("r")
    world.expect("managed", R017="MEDIUM", code="M", at_issue=("30.000", "75.00"))


@scenario
def a_pbm_twice(world: World) -> None:
    pbm = {"program": "COMMERCIAL", "payer_id": "PBM-A", "state": None, "contract_id": "A-1"}
    world.claim("r", **pbm)
    world.claim("again", claim_id="C-again", received_at="2025-11-02T12:00:00", **pbm)
    world.silent("r")
    world.expect("again", R016="STRONG", code="PBM", action="DISPUTE", drafted="30.000")


# --- contracts ---


@scenario
def a_contract_that_excludes_340b(world: World) -> None:
    world.add("rebate_contracts", payer_id="PBM-C", contract_id="C-1", excludes_340b="true", begin_date="2025-01-01")
    world.claim("r", program="COMMERCIAL", payer_id="PBM-C", state=None, contract_id="C-1")
    world.claim_340b("e")
    world.expect("r", R008="STRONG", code="PBM", action="DISPUTE", drafted="30.000")


@scenario
def contracts_that_disagree(world: World) -> None:
    for contract, excludes in (("D-1", "true"), ("D-2", "false")):
        world.add(
            "rebate_contracts", payer_id="PBM-D", contract_id=contract, excludes_340b=excludes, begin_date="2025-01-01"
        )
    world.claim("r", program="COMMERCIAL", payer_id="PBM-D", state=None)
    world.claim_340b("e")
    world.expect("r", R008="MEDIUM", code="PBM")


# --- several rules on one claim ---


@scenario
def an_inquiry_hides_no_dispute(world: World) -> None:
    world.claim("r", sub_program="CHIP_SEPARATE", unit_rebate_amount="2.75", rebate_amount="82.50")
    world.expect("r", R056="STRONG", R058="STRONG", code="U", action="DISPUTE", at_issue=("30.000", "75.00"))


@scenario
def a_weak_rule_sets_no_units(world: World) -> None:
    """HCPCS units as NDC units: 10 in place of 1. The biller is listed, but its entity bought nothing (WEAK)."""
    world.add("hcpcs_crosswalk", ndc=world.ndc, hcpcs_code="J1000", ndc_units_per_hcpcs_unit="0.1")
    world.add("medicaid_exclusions", entity_id="DSH99999", npi=world.npi, medicaid_state="GA", quarter="2025Q3")
    world.claim(
        "r",
        payer_id="GA",
        state="GA",
        claim_type="MEDICAL",
        rx_number=None,
        fill_number=None,
        claim_line=1,
        hcpcs_code="J1000",
        units=10,
        hcpcs_units=10,
        units_basis="NDC",
        rebate_amount="25.00",
        days_supply=None,
    )
    world.expect(
        "r", R031="STRONG", R002="WEAK", code="K", action="DISPUTE", at_issue=("9.000", "22.50"), drafted="9.000"
    )


# --- settlements ---


@scenario
def a_credit_is_used_up_on_the_first_line(world: World) -> None:
    for line in (1, 2):
        world.claim(f"line {line}", claim_line=line, rx_number=f"{8_000_000 + 10 * world.number + line}")
    world.settlement(settled_on="2025-10-15")
    world.expect("line 1", R059="STRONG", code="M", at_issue=("30.000", "75.00"))
    world.silent("line 2")


@scenario
def credited_since(world: World) -> None:
    world.claim("r")
    world.claim_340b("e")
    world.settlement(settled_on="2025-12-15")
    world.expect("r", R003="STRONG", action="NONE", at_issue=("0.000", "0.00"))


@scenario
def two_partial_credits_of_one_day(world: World) -> None:
    world.claim("r")
    world.claim_340b("e")
    world.settlement(settled_on="2025-12-15", units=10, settlement_id=f"S{world.number}a")
    world.settlement(settled_on="2025-12-15", units=10, settlement_id=f"S{world.number}b")
    world.expect("r", R003="STRONG", action="DISPUTE", at_issue=("10.000", "25.00"), drafted="10.000")


# --- Medicare ---


def in_january(world: World) -> None:
    world.claim_340b("e", date_of_service="2026-01-15", submitted_at="2026-01-20T12:00:00")


@scenario
def a_notice_of_withdrawal_is_no_reversal(world: World) -> None:
    world.mfp("r", mtf_icn="77")
    world.mfp("notice", mtf_icn="78", mtf_xref_icn="77", mtf_transaction_code="005", claim_id="C-005")
    in_january(world)
    world.expect("r", R011="STRONG", code="MRA", action="WITHHOLD", at_issue=("30.000", "180.00"))


@scenario
def a_refund_that_was_reversed(world: World) -> None:
    world.mfp("r", mtf_icn="81")
    world.mfp("reversal", mtf_icn="82", mtf_xref_icn="81", mtf_transaction_code="003", claim_id="C-003")
    in_january(world)
    world.silent("r")


@scenario
def a_refund_of_which_a_part_is_taken_back(world: World) -> None:
    world.mfp("r", mtf_icn="96", rebate_amount="200.00")
    world.mfp(
        "back",
        claim_id="C-back",
        units=-10,
        rebate_amount="-60.00",
        mtf_transaction_code=None,
        received_at="2026-02-11T12:00:00",
    )
    in_january(world)
    world.expect("r", R011="STRONG", code="MRA", action="WITHHOLD", at_issue=("20.000", "133.33"))


@scenario
def two_open_icns(world: World) -> None:
    world.mfp("r", mtf_icn="91")
    world.mfp("again", mtf_icn="92", claim_id="C-92", received_at="2026-02-11T12:00:00")
    world.silent("r")
    world.expect("again", R012="STRONG", code="MRA", at_issue=("30.000", "180.00"))


@scenario
def a_refund_above_the_default(world: World) -> None:
    world.mfp("r", mtf_icn="95", rebate_amount="200.00")
    world.expect("r", R060="MEDIUM", code="MRA", at_issue=("0.000", "20.00"))


# --- arithmetic, time, product ---


@scenario
def a_supplemental_rebate_that_does_not_add_up(world: World) -> None:
    world.claim("r", rebate_type="SUPPLEMENTAL", unit_rebate_amount="0.8", rebate_amount="24.05")
    world.expect("r", R053="STRONG", action="INQUIRE", at_issue=("0.000", "0.05"))


@scenario
def too_little_is_asked_for(world: World) -> None:
    world.claim("r", rebate_amount="70.00")
    world.expect("r", R053="STRONG", at_issue=("0.000", "0.00"))


@scenario
def managed_care_by_payment(world: World) -> None:
    world.claim(
        "r",
        program="MDRP_MCO",
        date_of_service="2025-09-29",
        paid_date="2025-10-02",
        period="2025Q4",
        invoice_period="2025Q4",
        received_at="2026-01-20T12:00:00",
    )
    world.expect("r", R054="STRONG", action="INQUIRE", at_issue=("0.000", "0.00"))


@scenario
def reversed_by_the_pharmacy(world: World) -> None:
    world.claim("r")
    world.transaction("b1", "B1", "2025-08-01T10:00:00")
    world.transaction("b2", "B2", "2025-08-03T10:00:00")
    world.expect("r", R020="STRONG", code="M", action="DISPUTE", drafted="30.000")


@scenario
def reversed_and_billed_again_at_one_time(world: World) -> None:
    world.claim("r")
    for name, code in (("b1", "B1"), ("b2", "B2"), ("b3", "B1")):
        world.transaction(name, code, "2025-08-01T00:00:00")
    world.silent("r")


@scenario
def terminated_long_ago(world: World) -> None:
    world.tables["products"][0]["termination_date"] = "2024-07-31"
    world.claim("r")
    world.expect("r", R022="STRONG", code="N", action="DISPUTE", at_issue=("30.000", "75.00"), drafted="30.000")


@scenario
def never_terminated_in_the_words_of_a_placeholder(world: World) -> None:
    world.tables["products"][0]["termination_date"] = "9999-12-31"
    world.claim("r")
    world.silent("r")


@scenario
def a_biller_known_by_its_ncpdp_id(world: World) -> None:
    world.add("pharmacies", npi=world.npi, ncpdp_id=f"{1_000_000 + world.number}")
    world.add("medicaid_exclusions", entity_id=world.entity, npi=world.npi, medicaid_state="GA", quarter="2025Q3")
    world.claim("r", payer_id="GA", state="GA", pharmacy_npi=None, pharmacy_ncpdp_id=f"{1_000_000 + world.number}")
    world.expect("r", R002="STRONG", code="X", action="DISPUTE", drafted="30.000")


# --- flags, the exclusion file, contracts ---


@scenario
def a_flag_on_a_fee_for_service_claim(world: World) -> None:
    world.claim("r", submission_clarification_codes="08|20")
    world.expect("r", R001="STRONG", code="X", action="DISPUTE", at_issue=("30.000", "75.00"), drafted="30.000")


@scenario
def a_modifier_of_another_state(world: World) -> None:
    world.claim("r", claim_type="MEDICAL", rx_number=None, hcpcs_code="J1000", modifiers="U8", units_basis="NDC")
    world.silent("r")


@scenario
def a_modifier_that_a_plan_names(world: World) -> None:
    """Of Georgia UD is known from its accountants alone: low confidence."""
    medical = {"claim_type": "MEDICAL", "rx_number": None, "hcpcs_code": "J1000", "units_basis": "NDC"}
    world.claim("r", program="MDRP_MCO", payer_id="GA", state="GA", modifiers="25|UD", **medical)
    world.expect("r", R004="MEDIUM", code="X", drafted=None)


@scenario
def the_exclusion_file_of_another_quarter_or_state(world: World) -> None:
    for state, quarter in (("GA", "2025Q2"), ("AL", "2025Q3")):
        world.add("medicaid_exclusions", entity_id=world.entity, npi=world.npi, medicaid_state=state, quarter=quarter)
    world.claim("r", payer_id="GA", state="GA")
    world.silent("r")


@scenario
def one_number_of_two_entities(world: World) -> None:
    """The one that bought the drug is meant, though another comes first by its id."""
    for entity in ("CH000001", world.entity):
        world.add("medicaid_exclusions", entity_id=entity, npi=world.npi, medicaid_state="GA", quarter="2025Q3")
    world.claim("r", payer_id="GA", state="GA")
    world.expect("r", R002="STRONG", code="X", action="DISPUTE", drafted="30.000")


@scenario
def the_exclusion_file_says_nothing_of_managed_care(world: World) -> None:
    world.add("medicaid_exclusions", entity_id=world.entity, npi=world.npi, medicaid_state="GA", quarter="2025Q3")
    world.claim("r", program="MDRP_MCO", payer_id="GA", state="GA")
    world.silent("r")


@scenario
def a_pbm_passes_a_flag_on(world: World) -> None:
    world.add("rebate_contracts", payer_id="PBM-F", contract_id="F-1", excludes_340b="true", begin_date="2025-01-01")
    world.claim("r", program="PARTD", payer_id="PBM-F", state=None, contract_id="F-1", basis_of_cost="08")
    world.expect("r", R010="STRONG", code="PBM", action="DISPUTE", drafted="30.000")


@scenario
def a_contract_that_began_after_the_service(world: World) -> None:
    world.add("rebate_contracts", payer_id="PBM-G", contract_id="G-1", excludes_340b="true", begin_date="2025-08-02")
    world.claim("r", program="COMMERCIAL", payer_id="PBM-G", state=None, contract_id="G-1")
    world.claim_340b("e")
    world.silent("r")


# --- duplicates, further ---


@scenario
def two_states(world: World) -> None:
    world.claim("r")
    world.claim("other", payer_id="OH", state="OH", claim_id="C-oh", received_at="2025-11-02T12:00:00")
    world.silent("r")
    world.expect("other", R018="MEDIUM", code="M", drafted=None)


@scenario
def two_periods_under_one_claim_number(world: World) -> None:
    """A line of the same claim asked for again in the next period, and not as an adjustment."""
    world.claim("r")
    world.claim("again", period="2025Q4", paid_date="2025-10-05", received_at="2026-01-20T12:00:00")
    world.silent("r")
    world.expect("again", R019="STRONG", code="M", action="DISPUTE", drafted="30.000")


@scenario
def the_parts_of_one_fill(world: World) -> None:
    world.claim("part", units=10, rebate_amount="25.00", dispensing_status="P")
    world.claim("rest", units=20, rebate_amount="50.00", dispensing_status="C", claim_id="C-rest")
    world.silent("part", "rest")


@scenario
def a_fill_that_no_side_states_equals_none_that_is_stated(world: World) -> None:
    world.claim("r", fill_number=None)
    world.claim("other", claim_id="C-other", received_at="2025-11-02T12:00:00")
    world.silent("r", "other")


@scenario
def discarded_drug_on_a_line_of_its_own(world: World) -> None:
    given = {"claim_type": "MEDICAL", "rx_number": None, "hcpcs_code": "J1000", "claim_line": 1, "units_basis": "NDC"}
    world.claim("given", units=20, rebate_amount="50.00", **given)
    world.claim(
        "discarded", units=10, rebate_amount="25.00", modifiers="JW", received_at="2025-11-02T12:00:00", **given
    )
    world.silent("given", "discarded")


@scenario
def medicaid_and_a_pbm(world: World) -> None:
    world.claim("r")
    world.claim("pbm", program="COMMERCIAL", payer_id="PBM-A", state=None, received_at="2025-11-02T12:00:00")
    world.silent("r")
    world.expect("pbm", R057="MEDIUM", code="PBM", drafted=None)


# --- products ---


@scenario
def before_its_market_date(world: World) -> None:
    world.tables["products"][0]["market_date"] = "2025-08-02"
    world.claim("r")
    world.expect("r", R024="MEDIUM", code="O", at_issue=("30.000", "75.00"), drafted=None)


@scenario
def reactivated_before_the_service(world: World) -> None:
    world.tables["products"][0] |= {"termination_date": "2024-01-31", "reactivation_date": "2025-08-01"}
    world.claim("r")
    world.silent("r")


@scenario
def no_covered_outpatient_drug(world: World) -> None:
    world.tables["products"][0]["cod_status"] = "5"
    world.claim("r")
    world.expect("r", R026="STRONG", code="U", action="DISPUTE", at_issue=("30.000", "75.00"), drafted="30.000")


@scenario
def a_supplemental_rebate_of_a_state_only_program(world: World) -> None:
    world.claim("r", sub_program="STATE_ONLY", rebate_type="SUPPLEMENTAL")
    world.silent("r")


@scenario
def children_of_the_expansion(world: World) -> None:
    world.claim("r", sub_program="CHIP_MEDICAID")
    world.silent("r")


# --- who paid, providers, arithmetic ---


@scenario
def nobody_paid(world: World) -> None:
    world.claim("r", amount_paid="0")
    world.expect("r", R021="MEDIUM", code="J", at_issue=("30.000", "75.00"), drafted=None)


@scenario
def nobody_is_said_to_have_paid(world: World) -> None:
    world.claim("r", amount_paid=None)
    world.silent("r")


@scenario
def an_encounter_that_was_not_paid(world: World) -> None:
    world.claim("r", program="MDRP_MCO", amount_paid="0")
    world.silent("r")


@scenario
def a_number_that_is_no_npi(world: World) -> None:
    world.claim("r", pharmacy_npi="1234567890")
    world.expect("r", R051="MEDIUM", drafted=None)


@scenario
def a_cent_of_rounding(world: World) -> None:
    world.claim("r", rebate_amount="75.01")
    world.silent("r")


@scenario
def a_stated_amount_of_zero_is_ours_to_calculate(world: World) -> None:
    world.claim("r", unit_rebate_amount="0", rebate_amount="0")
    world.silent("r")


@scenario
def reversed_after_the_row_was_received(world: World) -> None:
    world.claim("r")
    world.transaction("b1", "B1", "2025-08-01T10:00:00")
    world.transaction("b2", "B2", "2025-12-03T10:00:00")
    world.silent("r")


@scenario
def a_reversal_and_a_rebill(world: World) -> None:
    world.claim("r")
    for name, code, at in (("b1", "B1", "01T10"), ("b2", "B2", "02T10"), ("b3", "B3", "02T11")):
        world.transaction(name, code, f"2025-08-{at}:00:00")
    world.silent("r")


# --- 340B claims by themselves ---


@scenario
def reported_too_late(world: World) -> None:
    world.claim_340b("late", submitted_at="2025-09-16T12:00:00")
    world.claim_340b("in time", rx_number="6999999", submitted_at="2025-09-15T12:00:00")
    world.expect("late", R048="STRONG", action="INQUIRE", at_issue=("0.000", "0.00"))
    world.silent("in time")


@scenario
def reported_again_in_a_later_file(world: World) -> None:
    world.claim_340b("first")
    world.claim_340b("again", submitted_at="2025-08-20T12:00:00")
    world.silent("first")
    world.expect("again", R047="STRONG", at_issue=("0.000", "0.00"))


@scenario
def an_entity_that_had_ended(world: World) -> None:
    world.add(
        "covered_entities",
        entity_id=world.entity,
        entity_type="DSH",
        participating_start="2015-01-01",
        termination_date="2025-08-01",
    )
    world.claim_340b("e")
    world.expect("e", R042="STRONG", action="INQUIRE")


# --- invoices ---


@scenario
def an_invoice_beyond_its_claims(world: World) -> None:
    alaska = {"payer_id": "AK", "state": "AK"}
    world.claim("r", **alaska)
    world.invoice("AK", units_reimbursed=100, rebate_amount="250.00")
    world.silent("r")
    world.expect_line("AK", R038="STRONG", action="REQUEST_CLD", at_issue=("70.000", "175.00"))


@scenario
def a_surplus_that_the_state_took_back(world: World) -> None:
    """A difference below zero adds to the total of its key (part 4)."""
    vermont = {"payer_id": "VT", "state": "VT"}
    world.claim("r", **vermont)
    world.invoice("VT", units_reimbursed=100, rebate_amount="250.00")
    world.invoice("VT", line_kind="PRIOR_DELTA", units_reimbursed=-60, rebate_amount="-150.00")
    world.expect_line("VT", R038="STRONG", action="REQUEST_CLD", at_issue=("10.000", "25.00"))


@scenario
def claims_that_no_invoice_bills(world: World) -> None:
    world.claim("r", payer_id="AZ", state="AZ")
    world.invoice("AZ", ndc="00002999901", units_reimbursed=1, rebate_amount="2.50")
    world.expect("r", R061="CONTEXT", action="NONE", at_issue=("0.000", "0.00"))


@scenario
def a_credit_of_the_state_at_too_high_a_price(world: World) -> None:
    world.invoice("AR", line_kind="PRIOR_DELTA", units_reimbursed=-100, unit_rebate_amount="5", rebate_amount="-500.00")
    world.expect_line("AR", kind="PRIOR_DELTA", R056="STRONG", action="INQUIRE", at_issue=("0.000", "0.00"))


@scenario
def a_line_of_a_kind_that_cannot_be_read(world: World) -> None:
    """Neither the claim of an unknown program of Medicaid nor the line is taken for what is usual."""
    world.claim("r", sub_program="TITLE 19", submission_clarification_codes="20")
    world.invoice("MT", line_kind="PRIOR", units_reimbursed=100, unit_rebate_amount="5", rebate_amount="999.00")
    world.silent("r")
    world.expected[f"MDRP_FFS/MT/{world.ndc}/2025Q3/I{world.number}/CURRENT"] = None


@scenario
def an_invoice_at_an_amount_of_zero(world: World) -> None:
    """The state does not know the amount; code B states ours and accuses nobody."""
    world.claim("r", payer_id="ND", state="ND", units=100, rebate_amount="250.00")
    world.invoice("ND", units_reimbursed=100, unit_rebate_amount="0", rebate_amount="0")
    world.silent("r")
    world.expect_line("ND", R056="CONTEXT", action="NONE", at_issue=("0.000", "0.00"))


# --- reference rows without a date of their own ---


def undated_product(world: World, snapshot: str, **values: str) -> None:
    """A product of which nothing is known but its status, as of a snapshot."""
    known = {"ndc": world.ndc, "cod_status": "05", "snapshot_date": snapshot, **values}
    world.tables["products"] = []
    world.add("products", **known)
    world.claim("r")


@scenario
def a_status_known_from_a_later_snapshot(world: World) -> None:
    undated_product(world, "2026-01-15")
    world.expect("r", R026="MEDIUM", code="U", at_issue=("30.000", "75.00"), drafted=None)


@scenario
def a_status_known_from_a_snapshot_of_the_day(world: World) -> None:
    undated_product(world, "2025-08-01")
    world.expect("r", R026="STRONG", code="U", action="DISPUTE", drafted="30.000")


@scenario
def a_dated_status_in_a_later_snapshot(world: World) -> None:
    undated_product(world, "2026-01-15", valid_from="2020-01-01")
    world.expect("r", R026="STRONG", code="U", action="DISPUTE", drafted="30.000")


@scenario
def a_contract_known_from_a_later_snapshot(world: World) -> None:
    world.add("rebate_contracts", payer_id="PBM-S", contract_id="S-1", excludes_340b="true", snapshot_date="2026-01-15")
    world.claim("r", program="COMMERCIAL", payer_id="PBM-S", state=None, contract_id="S-1")
    world.claim_340b("e")
    world.expect("r", R008="MEDIUM", code="PBM", drafted=None)


@scenario
def a_clause_that_cannot_be_read(world: World) -> None:
    world.add(
        "rebate_contracts",
        payer_id="PBM-U",
        contract_id="U-1",
        excludes_340b="true",
        exclusion_scope="EVERYTHING",
        begin_date="2025-01-01",
    )
    world.claim("r", program="COMMERCIAL", payer_id="PBM-U", state=None, contract_id="U-1")
    world.claim_340b("e")
    world.expect("r", R008="MEDIUM", code="PBM", drafted=None)


@scenario
def a_crosswalk_known_from_a_later_snapshot(world: World) -> None:
    world.add(
        "hcpcs_crosswalk",
        ndc=world.ndc,
        hcpcs_code="J1000",
        ndc_units_per_hcpcs_unit="0.1",
        snapshot_date="2026-01-15",
    )
    world.claim(
        "r",
        claim_type="MEDICAL",
        rx_number=None,
        fill_number=None,
        hcpcs_code="J1000",
        units=10,
        hcpcs_units=10,
        units_basis="NDC",
        rebate_amount="25.00",
        days_supply=None,
    )
    world.expect("r", R031="MEDIUM", code="K", at_issue=("9.000", "22.50"), drafted=None)


# --- further conditions of the catalog ---


@scenario
def a_market_date_that_was_revised(world: World) -> None:
    first, usual = world.tables["products"][0], {"cod_status": "03", "units_per_package": 30, "unit_type": "TAB"}
    first |= {"market_date": "2025-09-01", "valid_to": "2025-10-01"}
    world.add("products", ndc=world.ndc, market_date="2015-01-01", valid_from="2025-10-01", **usual)
    world.claim("r")
    world.silent("r")


@scenario
def one_patient_at_two_pharmacies(world: World) -> None:
    world.claim("r", patient_key=f"patient {world.number}")
    world.claim(
        "elsewhere",
        patient_key=f"patient {world.number}",
        pharmacy_npi=npi(world.number + 500),
        rx_number="8123456",
        claim_id="C-elsewhere",
        date_of_service="2025-08-25",
        paid_date="2025-08-28",
    )
    world.silent("r")
    world.expect("elsewhere", R039="WEAK", drafted=None)


@scenario
def a_low_payment_without_a_list_price(world: World) -> None:
    for row in world.tables["prices"]:
        row["wac_unit"] = ""
    world.claim("r", amount_paid="20.00")
    world.expect("r", R036="WEAK", drafted=None)


@scenario
def a_pharmacy_that_no_contract_of_the_entity_names(world: World) -> None:
    world.add(
        "contract_pharmacies",
        entity_id=world.entity,
        contract_id=f"CP{world.number}",
        pharmacy_npi=npi(world.number + 500),
        begin_date="2020-01-01",
    )
    world.add("pharmacies", npi=npi(world.number + 600), successor_npi=None)  # the column is there: it did not move
    world.claim_340b("e", pharmacy_npi=npi(world.number + 600))
    world.expect("e", R043="STRONG", action="INQUIRE")


@scenario
def an_entity_of_which_no_contract_is_known(world: World) -> None:
    """The table is not declared complete: that it holds none means nothing."""
    world.claim_340b("e", pharmacy_npi=npi(world.number + 600))
    world.silent("e")


# --- what a finding takes from one rule, and by when something is due ---


@scenario
def of_two_strong_rules_the_order_of_codes(world: World) -> None:
    """A 340B claim asked for twice: 30 units by both rules, disputed once, under X."""
    world.claim("r")
    world.claim("again", claim_id="C-again", received_at="2025-11-02T12:00:00", submission_clarification_codes="20")
    world.silent("r")
    world.expect(
        "again", R001="STRONG", R016="STRONG", code="X", action="DISPUTE", route="STATE", party="STATE",
        at_issue=("30.000", "75.00"), drafted="30.000", due=("2028-09-30", "TWELVE_QUARTERS"),
    )  # fmt: skip


@scenario
def a_medium_dispute_under_a_strong_inquiry(world: World) -> None:
    """Nobody paid (MEDIUM, J); the rebate is off by a dollar (STRONG, 0 units): the finding is the inquiry's."""
    world.claim("r", amount_paid="0", amount_third_party="0", rebate_amount="76.00")
    world.expect("r", R021="MEDIUM", R053="STRONG", code="", action="INQUIRE", at_issue=("0.000", "1.00"), drafted=None)


@scenario
def the_surplus_of_a_conversion_and_a_flag(world: World) -> None:
    """27 units too many, and all 30 of a 340B drug: the largest, never the sum."""
    world.add("hcpcs_crosswalk", ndc=world.ndc, hcpcs_code="J1001", ndc_units_per_hcpcs_unit="0.1")
    world.claim("r", claim_type="MEDICAL", rx_number=None, fill_number=None, claim_line=1, hcpcs_code="J1001",
                hcpcs_units=30, units_basis="NDC", basis_of_cost="8")  # fmt: skip
    world.expect("r", R001="STRONG", R031="STRONG", code="X", at_issue=("30.000", "75.00"), drafted="30.000")


@scenario
def interest_begins_after_the_postmark(world: World) -> None:
    world.claim("r", submission_clarification_codes="20", invoice_number=f"I{world.number}", payer_id="MN", state="MN")
    world.invoice("MN", units_reimbursed=30, rebate_amount="75.00")
    world.expect("r", R001="STRONG", due=("2025-12-25", "NO_INTEREST"))


@scenario
def a_contract_s_own_term(world: World) -> None:
    world.add("rebate_contracts", payer_id="PBM-K", contract_id="K-1", excludes_340b="true", dispute_days=180,
              begin_date="2025-01-01")  # fmt: skip
    world.claim("r", program="COMMERCIAL", payer_id="PBM-K", state=None, contract_id="K-1")
    world.claim_340b("e")
    world.expect("r", R008="STRONG", route="PBM", party="PBM", due=("2026-03-29", "CONTRACT"))


@scenario
def fourteen_days_in_eastern_time(world: World) -> None:
    """Received in the evening of the first of February in Washington; the fourteen days are over."""
    world.mfp("r", mtf_icn="121", received_at="2026-02-01T03:00:00", claim_id="C-121")
    in_january(world)
    world.expect(
        "r", R011="STRONG", code="MRA", action="PAY_AND_WATCH", route="FACILITATOR", due=("2026-02-14", "PROMPT_PAY")
    )


# --- transactions of the facilitator, once more ---


@scenario
def a_refund_of_a_claim_that_is_not_eligible(world: World) -> None:
    world.mfp("r", mtf_icn="122", mtf_transaction_code="009", claim_id="C-122")
    in_january(world)
    world.expect("r", R013="STRONG", code="MRA", action="PAY_AND_WATCH", at_issue=("30.000", "180.00"))


@scenario
def information_alone(world: World) -> None:
    world.mfp("r", mtf_icn="123", mtf_transaction_code="004", rebate_amount="0", claim_id="C-123")
    in_january(world)
    world.silent("r")


@scenario
def an_adjustment_names_the_first_icn(world: World) -> None:
    world.mfp("r", mtf_icn="124", claim_id="C-124")
    world.mfp("adjusted", mtf_icn="125", mtf_xref_icn="124", mtf_transaction_code="002", claim_id="C-125",
              received_at="2026-02-11T12:00:00")  # fmt: skip
    world.silent("r", "adjusted")


@scenario
def a_ceiling_above_the_fair_price(world: World) -> None:
    """The entity gets the lower of the two once: (5 - 4) x 30 is due, the rest of the refund is not (V04)."""
    world.tables["prices"][-1]["ceiling_unit"] = "5"
    world.mfp("r", mtf_icn="126", claim_id="C-126")
    in_january(world)
    world.expect("r", R011="MEDIUM", code="MRA", action="PAY_AND_WATCH", at_issue=("30.000", "150.00"))


# --- settlements, once more ---


@scenario
def disputed_already(world: World) -> None:
    """Still at issue, and on no further line."""
    world.claim("r")
    world.claim_340b("e")
    world.settlement(kind="DISPUTED", settled_on="2025-12-15")
    world.expect("r", R003="STRONG", at_issue=("30.000", "75.00"), drafted=None)


@scenario
def disputed_and_released_since(world: World) -> None:
    world.claim("r")
    world.claim_340b("e")
    world.settlement(kind="DISPUTED", settled_on="2025-12-15", settlement_id=f"S{world.number}a")
    world.settlement(kind="RELEASED", settled_on="2026-01-15", settlement_id=f"S{world.number}b")
    world.expect("r", R003="STRONG", at_issue=("30.000", "75.00"), drafted="30.000")


@scenario
def a_credit_of_the_whole_line(world: World) -> None:
    """40 units, which name no claim: first those of the first claim by its key, then 10 of the second."""
    for name in "ab":
        rx = f"{9_000_000 + 10 * world.number}{name == 'a':d}"
        world.claim(name, claim_id=f"C{world.number}-{name}", rx_number=rx, submission_clarification_codes="20")
    world.settlement(claim_id=None, units=40, settled_on="2025-12-15")
    world.expect("a", R001="STRONG", action="NONE", at_issue=("0.000", "0.00"))
    world.expect("b", R001="STRONG", at_issue=("20.000", "50.00"), drafted="20.000")


@scenario
def a_part_credited_before_it_came(world: World) -> None:
    world.claim("r")
    world.settlement(units=10, settled_on="2025-10-15")
    world.expect("r", R059="MEDIUM", code="M", at_issue=("10.000", "25.00"), drafted=None)


# --- parents ---


def _under_two_parents(world: World) -> None:
    """The scenario's entity is under another parent from the first of August on."""
    for parent, begin, end in (("CH900001", None, "2025-08-01"), ("CH900002", "2025-08-01", None)):
        world.add("covered_entities", entity_id=world.entity, parent_entity_id=parent, valid_from=begin, valid_to=end,
                  participating_start="2015-01-01")  # fmt: skip


@scenario
def bought_by_the_parent_of_the_day(world: World) -> None:
    _under_two_parents(world)
    for row in world.tables["chargebacks"]:
        row["entity_id"] = "CH900002"
    world.claim("r")
    world.claim_340b("e")
    world.claim("before", claim_id="C-before", rx_number="5550001", date_of_service="2025-07-31")
    world.claim_340b("e before", rx_number="5550001", date_of_service="2025-07-31")
    world.expect("r", R003="STRONG", drafted="30.000")
    world.expect("before", R003="WEAK", drafted=None)


@scenario
def one_system_from_a_day_on(world: World) -> None:
    """Both report under the parent that they share since the first of August, and before it each under its own."""
    _under_two_parents(world)
    world.add("covered_entities", entity_id="CH900003", parent_entity_id="CH900002", participating_start="2015-01-01")
    world.add("entity_npis", entity_id="CH900003", npi=world.npi)
    for day, rx in (("2025-08-01", "5550011"), ("2025-07-31", "5550012")):
        same = {"rx_number": rx, "date_of_service": day}
        world.claim_340b(f"e {rx}", **same)
        world.claim_340b(f"other {rx}", entity_id="CH900003", submitted_at="2025-08-12T12:00:00", **same)
    world.silent("e 5550011")
    world.expect("other 5550011", R047="STRONG")
    world.expect("e 5550012", R046="STRONG", route="ENTITY", party="UNDETERMINED")
    world.expect("other 5550012", R046="STRONG")


@scenario
def taken_back_by_the_parent_with_another_package(world: World) -> None:
    world.add("covered_entities", entity_id=world.entity, parent_entity_id="CH900004", participating_start="2015-01-01")
    world.claim("r")
    world.claim_340b("e")
    world.claim_340b("back", entity_id="CH900004", status="REVERSED", ndc=world.ndc[:9] + "09",
                     submitted_at="2025-08-20T12:00:00")  # fmt: skip
    world.silent("r", "e")


# --- duplicates of three rows ---


@scenario
def the_nearest_row_is_of_the_same_period(world: World) -> None:
    """The third line repeats the first, not the second, which is of another quarter."""
    world.claim("r")
    world.claim("later", claim_id="C-later", period="2025Q4", paid_date="2025-10-05", received_at="2026-01-20T12:00:00")
    world.claim("again", claim_id="C-again", received_at="2026-01-21T12:00:00")
    world.silent("r")
    world.expect("later", R019="MEDIUM", code="M")  # of another claim number: no lineage links them
    world.expect("again", R016="STRONG", code="M", at_issue=("30.000", "75.00"))


@scenario
def discarded_drug_on_the_line_that_came_first(world: World) -> None:
    medical = {"claim_type": "MEDICAL", "rx_number": None, "claim_line": 1, "hcpcs_code": "J1000", "units_basis": "NDC"}
    world.claim("waste", modifiers="JW", units=3, rebate_amount="7.50", **medical)
    world.claim(
        "given", units=27, rebate_amount="67.50", transaction="ORIGINAL", received_at="2025-11-02T12:00:00", **medical
    )
    world.silent("waste", "given")


@scenario
def discarded_drug_twice(world: World) -> None:
    medical = {"claim_type": "MEDICAL", "rx_number": None, "claim_line": 1, "hcpcs_code": "J1000", "units_basis": "NDC"}
    world.claim("waste", modifiers="JW", units=3, rebate_amount="7.50", **medical)
    world.claim("again", modifiers="25|JW", units=3, rebate_amount="7.50", amount_paid="299.00",
                received_at="2025-11-02T12:00:00", **medical)  # fmt: skip
    world.silent("waste")
    world.expect("again", R016="STRONG", code="M", at_issue=("3.000", "7.50"))


@scenario
def medicaid_and_the_facilitator(world: World) -> None:
    """A patient with Part D and Medicaid: apart."""
    world.claim("r", date_of_service="2026-01-15", paid_date="2026-01-20", period="2026Q1",
                received_at="2026-02-01T12:00:00")  # fmt: skip
    world.mfp("refund", mtf_icn="131", claim_id="C-131")
    world.silent("r", "refund")


# --- invoice lines ---


@scenario
def a_new_total_of_the_line(world: World) -> None:
    """60 units were asked for first; the new total is what the claims hold."""
    world.claim("r", payer_id="ND", state="ND", submission_clarification_codes="20")
    world.invoice("ND", units_reimbursed=60, rebate_amount="150.00")
    world.invoice("ND", units_reimbursed=30, rebate_amount="75.00", line_kind="PRIOR_REPLACEMENT",
                  received_date="2026-01-20", postmark_date="2026-01-18")  # fmt: skip
    for kind in ("CURRENT", "PRIOR_REPLACEMENT"):
        world.expected[f"MDRP_FFS/ND/{world.ndc}/2025Q3/I{world.number}/{kind}"] = None
    world.expect("r", R001="STRONG", due=("2025-12-25", "NO_INTEREST"))


@scenario
def units_beyond_sales_after_a_difference(world: World) -> None:
    """1,000 units less 300; 500 were sold into the state."""
    world.claim("r", payer_id="SD", state="SD")
    world.invoice("SD", units_reimbursed=1000, rebate_amount="2500.00")
    world.invoice("SD", units_reimbursed=-300, rebate_amount="-750.00", line_kind="PRIOR_DELTA")
    world.add("sales", ndc=world.ndc, state="SD", period="2025Q3", units=500)
    world.expect_line("SD", R034="MEDIUM", R038="STRONG")
    world.expected[f"MDRP_FFS/SD/{world.ndc}/2025Q3/I{world.number}/PRIOR_DELTA"] = None


# --- as people write it ---


@scenario
def white_space_and_hashes(world: World) -> None:
    """Both sides hash the prescription number alike; the state and the program are padded with blanks."""
    hashed = {"rx_number": None, "rx_number_hash": "ab12cd34", "hash_scheme": "s1"}
    world.claim("r", payer_id=" KY ", state=" KY", units="30.0004", **hashed)
    world.claim_340b("e", is_340b=" y ", **hashed)
    world.expect("r", R003="STRONG", at_issue=("30.000", "75.00"), drafted="30.000")


@scenario
def a_claim_number_damaged_by_a_spreadsheet(world: World) -> None:
    world.claim("r", claim_id="2.02519E+13", submission_clarification_codes="20")
    world.silent("r")


@scenario
def marked_as_not_340b(world: World) -> None:
    world.claim("r")
    world.claim_340b("e", is_340b="N")
    world.silent("r", "e")


# --- lineage, links and dates once more ---


@scenario
def an_adjustment_under_another_program(world: World) -> None:
    """A prior claim is looked up among the rows of the payer, whatever their program."""
    world.claim("r", claim_id=f"C{world.number}-1")
    world.claim("moved", claim_id=f"C{world.number}-2", prior_claim_id=f"C{world.number}-1", transaction="ADJUSTMENT",
                program="MDRP_MCO", received_at="2025-11-05T12:00:00")  # fmt: skip
    world.silent("r", "moved")


@scenario
def a_void_of_all_lines(world: World) -> None:
    """A prior claim named without a line means all of its lines."""
    for line in (1, 2):
        world.claim(f"line {line}", claim_id=f"C{world.number}-1", claim_line=line, submission_clarification_codes="20",
                    rx_number=f"{6_000_000 + 10 * world.number + line}")  # fmt: skip
    world.claim("void", claim_id=f"C{world.number}-2", prior_claim_id=f"C{world.number}-1", transaction="VOID",
                received_at="2025-11-05T12:00:00")  # fmt: skip
    world.silent("line 1", "line 2", "void")


@scenario
def an_adjustment_and_the_whole_file_again(world: World) -> None:
    world.claim("r", submission_clarification_codes="20")
    adjusted = {
        "units": 28,
        "rebate_amount": "70.00",
        "transaction": "ADJUSTMENT",
        "submission_clarification_codes": "20",
    }
    world.claim("adjusted", received_at="2025-11-02T12:00:00", **adjusted)
    world.claim("r again", submission_clarification_codes="20", received_at="2025-11-03T12:00:00")
    world.claim("adjusted again", received_at="2025-11-03T12:00:01", **adjusted)
    world.silent("r", "r again", "adjusted again")
    world.expect("adjusted", R001="STRONG", at_issue=("28.000", "70.00"), drafted="28.000")


@scenario
def received_after_the_day_of_the_run(world: World) -> None:
    world.claim("r", submission_clarification_codes="20", received_at="2026-02-16T00:00:00")
    world.silent("r")


@scenario
def numbers_as_two_systems_write_them(world: World) -> None:
    """Leading zeros and the fill in the prescription number, hyphens in the NDC."""
    ndc = world.ndc
    world.claim("r", rx_number=f"000{7_000_000 + world.number}-01", fill_number=None)
    world.claim_340b("e", fill_number=1, ndc=f"{ndc[:5]}-{ndc[5:9]}-{ndc[9:]}")
    world.expect("r", R003="STRONG", drafted="30.000")


@scenario
def close_dates(world: World) -> None:
    world.claim("near", rx_number="6660001", claim_id=f"C{world.number}-n", date_of_service="2025-08-04")
    world.claim_340b("e near", rx_number="6660001")
    world.claim("far", rx_number="6660002", claim_id=f"C{world.number}-f", date_of_service="2025-08-20")
    world.claim_340b("e far", rx_number="6660002")
    world.expect("near", R003="MEDIUM", code="X", drafted=None)
    world.silent("far")


@scenario
def parts_of_a_fill_against_the_whole(world: World) -> None:
    """Parts are summed to compare quantities: 10 and 20 units are the entity's 30."""
    for name, status, units in (("part", "P", 10), ("rest", "C", 20)):
        world.claim(name, claim_id=f"C{world.number}-{status}", dispensing_status=status, units=units,
                    rebate_amount=f"{units * 2.5:.2f}")  # fmt: skip
    world.claim_340b("e")
    world.expect("part", R003="STRONG", at_issue=("10.000", "25.00"))
    world.expect("rest", R003="STRONG", at_issue=("20.000", "50.00"))


@scenario
def a_pharmacy_under_its_next_number(world: World) -> None:
    world.add("pharmacies", npi=npi(world.number + 700), successor_npi=world.npi)
    world.claim("r")
    world.claim_340b("e", pharmacy_npi=npi(world.number + 700))
    world.expect("r", R003="MEDIUM", code="X", drafted=None)


@scenario
def listed_where_the_state_goes_by_flags(world: World) -> None:
    """Kentucky goes by claim flags alone: the exclusion file says nothing there."""
    world.add("medicaid_exclusions", entity_id=world.entity, npi=world.npi, medicaid_state="KY", quarter="2025Q3")
    world.claim("r")
    world.silent("r")


@scenario
def an_exclusion_of_listed_pharmacies(world: World) -> None:
    """The first contract's list names the pharmacy until the day of service, which the day is not in."""
    for number, end in ((1, "2025-08-01"), (2, "2025-08-02")):
        payer, contract = f"PBM-L{number}", f"L-{number}"
        world.add("rebate_contracts", payer_id=payer, contract_id=contract, excludes_340b="true",
                  exclusion_scope="LISTED_PHARMACIES", begin_date="2025-01-01")  # fmt: skip
        world.add("contract_pharmacy_lists", contract_id=contract, pharmacy_npi=world.npi, begin_date="2025-01-01",
                  end_date=end)  # fmt: skip
        world.claim(f"r{number}", program="PARTD", payer_id=payer, state=None, contract_id=contract,
                    rx_number=f"{6_700_000 + number}", claim_id=f"C{world.number}-{number}")  # fmt: skip
        world.claim_340b(f"e{number}", rx_number=f"{6_700_000 + number}")
    world.silent("r1")
    world.expect("r2", R009="STRONG", code="PBM", drafted="30.000")


@scenario
def a_contract_of_another_product(world: World) -> None:
    world.add("rebate_contracts", payer_id="PBM-N", contract_id="N-1", excludes_340b="true", ndc9="000029999",
              begin_date="2025-01-01")  # fmt: skip
    world.claim("r", program="COMMERCIAL", payer_id="PBM-N", state=None, contract_id="N-1")
    world.claim_340b("e")
    world.silent("r")


@scenario
def reversed_with_nothing_paid(world: World) -> None:
    """Code J; and the state paid nothing, which is MEDIUM alone."""
    world.claim("r", amount_paid="0")
    world.transaction("b1", "B1", "2025-08-01T10:00:00")
    world.transaction("b2", "B2", "2025-08-03T10:00:00")
    world.expect("r", R020="STRONG", R021="MEDIUM", code="J", action="DISPUTE", drafted="30.000")


@scenario
def terminated_and_back_too_late(world: World) -> None:
    """Reactivated after the service; 366 days after the termination."""
    world.tables["products"][0] |= {"termination_date": "2024-07-31", "reactivation_date": "2025-08-02"}
    world.claim("r")
    world.claim("day 365", claim_id="C-365", rx_number="6660101", date_of_service="2025-07-31")
    world.expect("r", R022="STRONG", code="N")
    world.expect("day 365", R023="WEAK", action="NONE", drafted=None)


@scenario
def an_invoice_of_a_product_long_gone(world: World) -> None:
    world.tables["products"][0]["termination_date"] = "2024-01-31"
    world.invoice("UT", units_reimbursed=30, rebate_amount="75.00")
    world.expect_line("UT", R022="MEDIUM", code="", action="REQUEST_CLD")


@scenario
def an_entity_on_its_last_days(world: World) -> None:
    world.add("covered_entities", entity_id=world.entity, participating_start="2015-01-01",
              termination_date="2025-08-01")  # fmt: skip
    world.claim_340b("e")
    world.claim_340b("day before", rx_number="6660111", date_of_service="2025-07-31")
    world.expect("e", R042="STRONG", action="INQUIRE", route="ENTITY")
    world.silent("day before")


@scenario
def past_the_twelfth_quarter(world: World) -> None:
    """By invoice and by period more than twelve quarters ago: R040 blocks the dispute."""
    world.claim("r", submission_clarification_codes="20", date_of_service="2022-08-01", paid_date="2022-08-05",
                period="2022Q3", received_at="2022-11-01T12:00:00")  # fmt: skip
    world.expect("r", R001="STRONG", R040="CONTEXT", action="NONE", drafted=None)


@scenario
def a_line_credited_before_it_came(world: World) -> None:
    world.claim("r", payer_id="WY", state="WY")
    world.invoice("WY", units_reimbursed=30, rebate_amount="75.00")
    world.settlement(state="WY", claim_id=None, settled_on="2025-10-15")
    world.expect_line("WY", R059="STRONG", code="M", action="DISPUTE", at_issue=("30.000", "75.00"))


def worlds() -> list[World]:
    return [_built(build, number) for number, build in enumerate(SCENARIOS, 1)]


def _built(build: Callable[[World], None], number: int) -> World:
    """A scenario over what is usual: a product with prices, an entity that owns the pharmacy and bought 99 packages."""
    world = World(build.__name__, number)
    world.add(
        "products",
        ndc=world.ndc,
        product_name="Example",
        unit_type="TAB",
        units_per_package=30,
        drug_category="S",
        cod_status="03",
        market_date="2015-01-01",
        reactivation_date=None,
    )
    for period, mfp in (("2025Q3", None), ("2025Q4", None), ("2026Q1", "4")):
        world.add("prices", ndc=world.ndc, period=period, mfp_unit=mfp, **PRICES)
    world.add("entity_npis", entity_id=world.entity, npi=world.npi)
    for quarter in ("2025-07-15", "2026-01-10"):
        world.add(
            "chargebacks",
            chargeback_id=f"B{number}-{quarter}",
            entity_id=world.entity,
            ndc=world.ndc,
            invoice_date=quarter,
            packages=99,
            contract_type="340B",
        )
    build(world)
    return world


def _add_hostile_texts(tables: dict[str, list[dict[str, str]]]) -> None:
    """Names and claim numbers that would do harm if they did not stay text; equal ones stay equal."""
    texts = itertools.cycle(hostile_texts.TEXTS)
    added: dict[str, str] = {}
    names = {
        "products": ("product_name", "labeler_name"),
        "invoices": ("product_name",),
        "covered_entities": ("name", "contact_name", "contact_phone"),
        "pharmacies": ("name",),
    }
    for table, rows in tables.items():
        for row in rows:
            row |= {name: next(texts) for name in names.get(table, ())}
            for name in ("claim_id", "prior_claim_id"):
                if row.get(name, "").startswith("C"):
                    text = next(text for text in texts if len(text) < 100)
                    row[name] = added.setdefault(row[name], f"{text}{row[name]}{text}")


def write(folder: Path) -> None:
    """All scenarios as one input, and what they share."""
    tables: dict[str, list[dict[str, str]]] = defaultdict(list)
    for world in worlds():
        for name, rows in world.tables.items():
            tables[name] += rows
    tables["state_340b_policies"] = [
        {"state": "KY", "method": "CLAIM_FLAG", "contract_pharmacy_carved_out": "false"},
        {"state": "GA", "method": "MEF", "contract_pharmacy_carved_out": "false"},
    ]
    tables["rebate_contracts"] += [
        {"payer_id": "PBM-A", "contract_id": "A-1", "excludes_340b": "false", "begin_date": "2025-01-01"}
    ]
    _add_hostile_texts(tables)
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
