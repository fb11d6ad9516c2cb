"""ROSI and PQAS, line by line: what an analyst puts in, and every number that the form then shows.

Facts, separated by blanks: F units of the invoice, now=units after the state's corrections (else F), credit=units the
state credited, repaid=units an entity repaid, H (ROSI) or K (PQAS) units in dispute, D the state's amount per unit,
ours=our present one, first=our first one, found=adjustment codes of findings, prior=units paid/units in
dispute/dollars paid as last reported.
Worked by hand after the instructions of CMS-304 and CMS-304a: I = F + G - H, O = I x coalesce(E, D);
G = I + K, O = I x E, P = O - N.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.contracts.forms import PQAS_COLUMNS, ROSI_COLUMNS
from engine.positions import LineFacts, Prior, is_changed, pqas_line, pqas_problems, rosi_line, rosi_problems
from tests.spec.text_tables import cases_of_table

ROSI = """
case                                       | facts                               | E    | G    | I    | J    | O       | problem
paid in full                               | F=100 D=2.50                        | -    | 0    | 100  | -    | 250.00  |
a part is disputed                         | F=100 H=30 D=2.50                   | -    | 0    | 70   | -    | 175.00  |
all of it is disputed                      | F=100 H=100 D=2.50                  | -    | 0    | 0    | -    | 0.00    |
the state does not know the amount         | F=100 H=30 D=0 ours=2.50            | 2.50 | 0    | 70   | B    | 175.00  |
no amount stated                           | F=100 ours=2.50                     | 2.50 | 0    | 100  | B    | 250.00  |
our amount is another                      | F=100 D=2.50 ours=2.25              | 2.25 | 0    | 100  | A    | 225.00  |
our amount is the same                     | F=100 D=2.50 ours=2.50              | -    | 0    | 100  | -    | 250.00  |
a claim has another amount than the line   | F=100 D=2.50 ours=2.50 found=A      | -    | 0    | 100  | -    | 250.00  |
a claim has one where the line has none    | F=100 ours=2.50 found=A,D           | 2.50 | 0    | 100  | B, D | 250.00  |
the state credited a part before we paid   | F=100 credit=20 D=2.50              | -    | -20  | 80   | C    | 200.00  |
credited and disputed are different units  | F=100 credit=20 H=30 D=2.50         | -    | -20  | 50   | C    | 125.00  |
an entity repaid: the state is still paid  | F=100 repaid=20 D=2.50              | -    | 0    | 100  | -    | 250.00  |
the state corrected the line               | F=100 now=90 H=30 D=2.50            | -    | -10  | 60   | H    | 150.00  |
half a cent is rounded up                  | F=1 D=2.505                         | -    | 0    | 1    | -    | 2.51    |
decimal units                              | F=10.125 H=0.125 D=0.333333         | -    | 0    | 10   | -    | 3.33    |
more disputed than invoiced                | F=100 H=101 D=2.50                  | -    | 0    | -1   | -    | -2.50   | units in dispute
more disputed than not settled             | F=100 credit=20 H=81 D=2.50         | -    | -20  | -1   | C    | -2.50   | units in dispute
repaid units are not disputed              | F=100 repaid=20 H=81 D=2.50         | -    | 0    | 19   | -    | 47.50   | units in dispute
no price at all                            | F=100                               | -    | 0    | 100  | -    | -       | no rebate amount
"""  # noqa: E501

PQAS = """
case                                        | facts                             | E    | G   | I   | N      | O      | P       | Q | changed | problem
first dispute of an earlier quarter         | F=100 K=30 D=2.50 prior=100/0/250 | 2.50 | 100 | 70  | 250.00 | 175.00 | -75.00  | - | yes     |
nothing new                                 | F=100 K=30 D=2.50 prior=70/30/175 | 2.50 | 100 | 70  | 175.00 | 175.00 | 0.00    | - | no      |
the state takes the disputed units out      | F=100 credit=30 D=2.50            | 2.50 | 70  | 70  | 175.00 | 175.00 | 0.00    | C | yes     |
                                            | prior=70/30/175                   |      |     |     |        |        |         |   |         |
the dispute is given up                     | F=100 D=2.50 prior=70/30/175      | 2.50 | 100 | 100 | 175.00 | 250.00 | 75.00   | - | yes     |
a half is given up                          | F=100 K=15 D=2.50 prior=70/30/175 | 2.50 | 100 | 85  | 175.00 | 212.50 | 37.50   | - | yes     |
the state credits units we have paid        | F=100 credit=20 D=2.50            | 2.50 | 80  | 80  | 250.00 | 200.00 | -50.00  | C | yes     |
                                            | prior=100/0/250                   |      |     |     |        |        |         |   |         |
an entity repaid: nothing moves here        | F=100 repaid=20 D=2.50            | 2.50 | 100 | 100 | 250.00 | 250.00 | 0.00    | - | no      |
                                            | prior=100/0/250                   |      |     |     |        |        |         |   |         |
the state invoices more                     | F=100 now=130 D=2.50              | 2.50 | 130 | 130 | 250.00 | 325.00 | 75.00   | H | yes     |
                                            | prior=100/0/250                   |      |     |     |        |        |         |   |         |
a line that first comes late                | F=0 now=40 D=2.50                 | 2.50 | 40  | 40  | 0.00   | 100.00 | 100.00  | H | yes     |
and is disputed in part                     | F=0 now=40 K=10 D=2.50            | 2.50 | 40  | 30  | 0.00   | 75.00  | 75.00   | H | yes     |
our amount is revised                       | F=100 D=2.50 first=2.50 ours=2.75 | 2.75 | 100 | 100 | 250.00 | 275.00 | 25.00   | A | yes     |
                                            | prior=100/0/250                   |      |     |     |        |        |         |   |         |
revised, and paid before                    | F=100 D=2.50 first=2.50 ours=2.75 | 2.75 | 100 | 100 | 275.00 | 275.00 | 0.00    | A | no      |
                                            | prior=100/0/275                   |      |     |     |        |        |         |   |         |
a cent of rounding is no change             | F=100 D=2.50 prior=100/0/249.99   | 2.50 | 100 | 100 | 249.99 | 250.00 | 0.01    | - | no      |
original: our first amount, not the state's | F=100 D=0 first=2.50 ours=2.50    | 2.50 | 100 | 100 | 250.00 | 250.00 | 0.00    | - | no      |
                                            | prior=100/0/250                   |      |     |     |        |        |         |   |         |
more disputed than is left                  | F=100 credit=80 K=30 D=2.50       | 2.50 | 20  | -10 | 250.00 | -25.00 | -275.00 | C | yes     | units in dispute
                                            | prior=100/0/250                   |      |     |     |        |        |         |   |         |
"""  # noqa: E501
_NAMES = {"F": "units_invoiced", "now": "units_now", "credit": "units_credited", "repaid": "units_repaid"}
_NAMES |= {"H": "units_disputed", "K": "units_disputed", "D": "ura_stated", "first": "ura_original"}
_NAMES |= {"ours": "ura_current"}


def _cases(text: str) -> dict[str, dict[str, str]]:
    return cases_of_table(text)


def _facts(words: str) -> LineFacts:
    values = dict(word.split("=") for word in words.split())
    prior = Prior(*map(Decimal, values.pop("prior").split("/"))) if "prior" in values else Prior()
    found = values.pop("found").split(",") if "found" in values else ()
    numbers = {_NAMES[name]: Decimal(value) for name, value in values.items()}
    return LineFacts(**{"units_now": numbers["units_invoiced"], **numbers}, prior=prior, adjustment_codes=found)


def _shown(line: dict[str, Any], columns: tuple[Any, ...], case: dict[str, str]) -> dict[str, str]:
    values = {column.letter: line[column.name] for column in columns if column.name in line}
    return {letter: "-" if values[letter] is None else values[letter] for letter in case if letter in values}


def _expected(case: dict[str, str], shown: dict[str, Any]) -> dict[str, Any]:
    codes = ("J", "Q") if "Q" in case else ("J",)
    return {
        letter: case[letter] if case[letter] == "-" or letter in codes else Decimal(case[letter]) for letter in shown
    }


@pytest.mark.parametrize("name", _cases(ROSI))
def test_rosi(name: str) -> None:
    case = _cases(ROSI)[name]
    facts = _facts(case["facts"])
    line = rosi_line(facts)
    shown = _shown(line, ROSI_COLUMNS, case)
    assert set(shown) == set("EGIJO")
    assert shown == _expected(case, shown)
    problems = rosi_problems(line, facts)
    assert any(case["problem"] in one for one in problems) if case.get("problem") else problems == []


@pytest.mark.parametrize("name", _cases(PQAS))
def test_pqas(name: str) -> None:
    case = _cases(PQAS)[name]
    facts = _facts(case["facts"])
    line = pqas_line(facts)
    shown = _shown(line, PQAS_COLUMNS, case)
    assert set(shown) == set("EGINOPQ")
    assert shown == _expected(case, shown)
    assert is_changed(line) == (case["changed"] == "yes")
    problems = pqas_problems(line, facts)
    assert any(case["problem"] in one for one in problems) if case.get("problem") else problems == []


def test_an_identity_that_does_not_hold_is_named() -> None:
    facts = _facts("F=100 H=30 D=2.50")
    right = rosi_line(facts)
    assert rosi_problems(right, facts) == []
    for name, letter in (("units_paid", "I = F + G - H"), ("amount_paid", "O is units paid")):
        wrong = right | {name: right[name] + 1}
        assert any(letter in problem for problem in rosi_problems(wrong, facts))
    facts = _facts("F=100 K=30 D=2.50 prior=100/0/250")
    right = pqas_line(facts)
    for name, letter in (("current_units", "G = I + K"), ("amount_this_time", "P = O - N")):
        wrong = right | {name: right[name] + 1}
        assert any(letter in problem for problem in pqas_problems(wrong, facts))


def test_other_amounts_are_empty_unless_they_are_set() -> None:
    facts = _facts("F=100 H=30 D=2.50 ours=2.25")
    empty = ("amount_invoiced", "amount_corrected", "amount_withheld")
    assert [rosi_line(facts)[name] for name in empty] == [None] * 3
    line = rosi_line(facts, fills_other_amounts=True)
    # invoiced 250.00; 100 x 0.25 less: -25.00; withheld 30 x 2.25 = 67.50; paid 70 x 2.25 = 157.50
    assert [line[name] for name in empty] == [Decimal("250.00"), Decimal("-25.00"), Decimal("67.50")]
    assert line["amount_paid"] == Decimal("157.50")
    facts = _facts("F=100 now=130 D=2.50 prior=100/0/250")
    assert pqas_line(facts)["original_amount"] is None
    line = pqas_line(facts, fills_other_amounts=True)
    assert (line["original_amount"], line["revised_amount"]) == (Decimal("250.00"), Decimal("325.00"))
