"""A world with enough rows for medians: invoice lines over sixteen quarters, claims of a few products, patients' fills.

Most values are near a product's usual; some are far off, at a known conversion factor or at a limit.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from tests.property.rules_worlds import npi

AS_OF = "2026-02-15"
LABELER = "30001"
STATES = ("KY", "GA", "OH", "AL", "TX")
QUARTERS = [f"{year}Q{quarter}" for year in range(2022, 2026) for quarter in range(1, 5)]
USUAL_UNITS = {"10": 30, "11": 60, "12": 100, "13": 30}


class World:
    """`tables`: rows by table, values as text."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(f"{seed}/statistics")
        self.tables: dict[str, list[dict[str, str]]] = defaultdict(list)
        self.ndcs = {f"{LABELER}{place}0001": units for place, units in USUAL_UNITS.items()}
        self._products()
        self._invoices()
        self._sales()
        self._claims()
        self._patients()
        # with no claim of an entity at all, nobody would know which claims are of 340B drugs
        self.add(
            "entity_claims",
            source_row_id="e0",
            entity_id="DSH100001",
            pharmacy_npi=npi(999),
            rx_number="1234567",
            fill_number=0,
            date_of_service="2025-08-01",
            ndc=f"{LABELER}100001",
            quantity=30,
        )

    def pick(self, *values: Any) -> Any:
        return self.random.choice(values)

    def near(self, usual: float) -> float:
        return usual * self.random.lognormvariate(0, 0.2)

    def add(self, table: str, **values: object) -> None:
        self.tables[table].append({name: str(value) for name, value in values.items() if value is not None})

    def _products(self) -> None:
        kinds = ("TAB", "ML", "GM", "EA")
        for place, ndc in enumerate(self.ndcs):
            product = {"ndc": ndc, "unit_type": kinds[place], "units_per_package": (30, 5, 20, 4)[place]}
            if place == 1:
                self.add("products", **product, valid_to="2025-08-15")
                self.add("products", **(product | {"unit_type": "GM"}), valid_from="2025-08-15")
            else:
                self.add("products", **product)
            for period in QUARTERS:
                self.add(
                    "prices",
                    ndc=ndc,
                    period=period,
                    unit_rebate_amount=self.pick("2.5", "2.5", None) if place else "2.5",
                    wac_unit=self.pick("10", "10", "10", None),
                )
        for ndc in list(self.ndcs)[:2]:
            self.add("market_prices", ndc=ndc, effective_date="2022-01-01", end_date="2024-07-01", price_per_unit="5")
            self.add("market_prices", ndc=ndc, effective_date="2024-07-01", end_date="2025-10-01", price_per_unit="8")

    def _invoices(self) -> None:
        pick = self.pick
        for program in ("MDRP_FFS", "MDRP_MCO"):
            for ndc, per_prescription in self.ndcs.items():
                for state in STATES[: 5 if program == "MDRP_FFS" else 2]:
                    usual = self.near(5_000)
                    line = {
                        "program": program,
                        "state": state,
                        "ndc": ndc,
                        "rebate_type": pick(None, None, "FEDERAL", "SUPPLEMENTAL"),
                        "sub_program": pick(None, "XIX"),
                        "source_kind": pick(None, None, "INVOICE", "SDUD"),
                    }
                    for period in QUARTERS if pick(1, 1, 1, 0) else QUARTERS[-3:]:
                        if pick(*[1] * 12, 0):
                            self._line(line | {"period": period}, usual, per_prescription)

    def _line(self, line: dict[str, Any], usual: float, per_prescription: float) -> None:
        pick = self.pick
        units = self.near(usual) * pick(*[1] * 12, 2.5, 3.5, 20)
        each = self.near(per_prescription) * pick(*[1] * 15, 3, 12, 0.05)
        paid = units * self.near(6) * pick(*[1] * 15, 0.1, 0.002, 100)
        line |= {
            "units_reimbursed": pick(*[f"{units:.3f}"] * 30, None, "0", "-30"),
            "prescriptions": pick(*[max(1, round(units / each))] * 12, None, 0),
            "total_amount": pick(f"{paid:.2f}", f"{paid:.2f}", None),
            "medicaid_amount": pick(f"{paid * 0.9:.2f}", f"{paid * 0.9:.2f}", None),
            "suppressed": pick(*[None] * 20, "true"),
            "postmark_date": pick(None, None, "2022-11-20", "2023-08-20", "2024-01-02"),
        }
        self.add("invoices", **line)
        if pick(*[0] * 7, 1) and line["units_reimbursed"]:
            # a new total: the old one is asked for no longer
            again = f"{self.near(usual) * pick(1, 1, 0.5, 4):.3f}"
            new = {"line_kind": "PRIOR_REPLACEMENT", "units_reimbursed": pick(*[again] * 6, None)}
            for number in pick(("R1",), ("R1", "R2")):
                self.add("invoices", **(line | new | {"invoice_number": number}))
        if pick(0, 0, 0, 0, 1):
            by = f"{usual * pick(0.02, 0.1, -0.1, -0.6, 8):.3f}"
            prescriptions = pick(None, 1, 1000)
            self.add(
                "invoices",
                **(line | {"line_kind": "PRIOR_DELTA", "units_reimbursed": by, "prescriptions": prescriptions}),
            )

    def _sales(self) -> None:
        for ndc in list(self.ndcs)[:3]:
            for state in STATES[:4]:
                for period in QUARTERS[4:]:
                    for _ in range(self.pick(0, 1, 1, 1)):
                        units = self.near(6_000) * self.pick(1, 1, 1, -0.5, 2, 0)
                        source = self.pick(None, "867")
                        self.add("sales", ndc=ndc, state=state, period=period, units=f"{units:.3f}", source=source)

    def _claims(self) -> None:
        pick = self.pick
        for program in ("MDRP_FFS", "MDRP_MCO", "COMMERCIAL", "PARTD"):
            for place, (ndc, usual) in enumerate(self.ndcs.items()):
                # too few of the last product for a median
                for _ in range(60 if place < 3 else 12):
                    day = date(2025, 7, 1) + timedelta(self.random.randrange(180))
                    factor = pick(*[1] * 14, 3.5, 20, 0.1, 10, 0.001, (30, 5, 20, 4)[place], 1 / (30, 5, 20, 4)[place])
                    units = round(self.near(usual) if factor == 1 else usual * factor, 3)
                    paid = self.near(units * 8) * pick(*[1] * 10, 0.1, 0.02)
                    paid = pick(paid, paid, paid, usual * 8)
                    self._claim(
                        program=program,
                        ndc=ndc,
                        date_of_service=day,
                        units=f"{units:.3f}",
                        days_supply=pick(30, 30, 30, 90, None, max(1, round(units / usual * 30))),
                        unit_of_measure=pick("EA", "EA", "ML", "GM", None),
                        amount_paid=pick(*[f"{paid:.2f}"] * 10, None, "0"),
                        amount_third_party=pick("0", "0", "0", None, "40.00"),
                        dispensing_status=pick(*[None] * 8, "P", "C"),
                    )

    def _claim(self, **values: Any) -> None:
        number, program = len(self.tables["rebate_claims"]), values["program"]
        state = self.pick(*STATES) if program.startswith("MDRP") else None
        day = values["date_of_service"]
        quarter = f"{day.year}Q{(day.month + 2) // 3}"
        given = {
            "source_row_id": f"c{number}",
            "payer_id": state or "PBM1",
            "state": state,
            "claim_id": f"C{number}",
            "transaction": "ORIGINAL",
            "claim_type": "RX",
            "pharmacy_npi": npi(self.random.randrange(50)),
            "rx_number": f"{7_000_000 + number}",
            "fill_number": 0,
            "unit_rebate_amount": self.pick("2.4", None),
            "submission_clarification_codes": self.pick(None, None, "05", "20", "99"),
            "period": quarter,
            "paid_date": day,
        }
        self.add("rebate_claims", **(given | values))

    def _patients(self) -> None:
        """A few fills of each patient, on one program or several."""
        pick = self.pick
        for patient in range(120):
            pharmacies = [npi(100 + 2 * patient), npi(101 + 2 * patient)]
            day = date(pick(2022, 2022, 2023, 2025), 1, 5) + timedelta(self.random.randrange(90))
            for _ in range(pick(1, 2, 3, 4)):
                self._claim(
                    program=pick("MDRP_FFS", "MDRP_FFS", "MDRP_MCO", "COMMERCIAL"),
                    patient_key=f"P{patient}",
                    ndc=f"{LABELER}1400{pick('01', '01', '02')}",
                    pharmacy_npi=pick(pharmacies[0], pharmacies[0], pharmacies[0], pharmacies[1]),
                    date_of_service=day,
                    units="30",
                    days_supply=pick(30, 30, 30, 90, 10, None),
                    dispensing_status=pick(*[None] * 8, "C"),
                    submission_clarification_codes=pick(None, "99", "99", "03", "3|99", "13"),
                    invoice_period=pick(None, None, "2023Q1", "2023Q4"),
                )
                day += timedelta(pick(0, 1, 14, 15, 16, 28, 45, 60, 61, 181))
