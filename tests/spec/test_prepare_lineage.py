"""What is left of the feeds: one small table per case, each row with what becomes of it (contract part 1).

Left of `||` a row as received, right of it its fate: `stays`, or the reason for which it leaves or is quarantined;
`+ X` is what is counted about it besides. A column that a table does not name holds an ordinary value; `-` is NULL.
Days are days of January 2026.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pyspark.sql import Row, SparkSession

from engine.contracts.tables import TABLES
from engine.prepare import (
    conform,
    net_entity_claims,
    net_invoices,
    net_pharmacy_claims,
    net_rebate_claims,
    pharmacy_dispenses,
)
from tests.unit.prepare_rows import AS_OF, received, row, settled


@dataclass(frozen=True)
class Case:
    name: str
    rows: list[dict[str, str | None]]
    fates: dict[str, str]


COLUMNS = {
    "id": "source_row_id",
    "claim": "claim_id",
    "line": "claim_line",
    "plan": "plan_id",
    "prior": "prior_claim_id",
    "prior line": "prior_claim_line",
    "rx": "rx_number",
    "fill": "fill_number",
    "entity": "entity_id",
    "code": "transaction_code",
    "invoice": "invoice_number",
    "units": "units_reimbursed",
    "kind": "line_kind",
}
DAYS = {"received": "received_at", "submitted": "submitted_at", "at": "transaction_at", "on": "received_date"}


def cases(table: str, text: str) -> list[Case]:
    """Cases of a text: a line that ends in a colon names one, the table below it holds its rows."""
    found: list[Case] = []
    header: list[str] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if line.endswith(":"):
            found.append(Case(line[:-1], [], {}))
            header = []
            continue
        left, _, fate = (part.strip() for part in line.partition("||"))
        cells = [cell.strip() for cell in left.split("|")]
        if not header:
            header = cells
            continue
        fields = dict(cell_of(table, name, cell) for name, cell in zip(header, cells, strict=True))
        found[-1].rows.append(row(table, **fields))
        found[-1].fates[cells[0]] = fate
    return found


def cell_of(table: str, name: str, cell: str) -> tuple[str, str | None]:
    value = None if cell == "-" else cell
    if name in DAYS:
        return DAYS[name], value and f"2026-01-{int(value):02}"
    if name == "units" and table == "rebate_claims":
        return name, value
    return COLUMNS.get(name, name), value


REBATE = cases(
    "rebate_claims",
    """
    Two originals of one claim both stand:
    id | claim | units
    a  | C1    | 30    || stays
    b  | C1    | 31    || stays

    The same row sent again is dropped, however its id and its time differ; no amount equals no amount:
    id | claim | amount_paid | received
    a  | C1    | 1.00        | 5        || REDELIVERED
    b  | C1    | 1.00        | 4        || stays
    c  | C1    | 2.00        | 5        || stays
    d  | C1    | -           | 5        || REDELIVERED
    e  | C1    | -           | -        || stays

    A row received at no time came first:
    id | claim | received
    a  | C1    | 1        || REDELIVERED
    b  | C1    | -        || stays

    Lines, plans and programs are claims of their own:
    id | claim | line | plan | program
    a  | C1    | 1    | -    | MDRP_FFS || stays
    b  | C1    | 2    | -    | MDRP_FFS || stays
    c  | C1    | 1    | P    | MDRP_FFS || stays
    d  | C1    | 1    | -    | MDRP_MCO || stays
    e  | C1    | -    | -    | MDRP_FFS || REDELIVERED

    An adjustment replaces the earlier rows of its own claim key:
    id | claim | transaction | units | received
    a  | C1    | ORIGINAL    | 30    | 1        || REPLACED
    b  | C1    | ADJUSTMENT  | 60    | 2        || REPLACED
    c  | C1    | ADJUSTMENT  | 90    | 3        || stays
    d  | C1    | ORIGINAL    | 10    | 4        || stays

    A void ends the whole chain and revives nothing:
    id | claim | transaction | prior | received
    a  | C1    | ORIGINAL    | -     | 1        || REPLACED
    b  | C2    | ADJUSTMENT  | C1    | 2        || VOIDED
    c  | C3    | VOID        | C2    | 3        || VOID_TRANSACTION

    Where an adjustment and a void act on one row, the void's word counts:
    id | claim | transaction | prior | received
    a  | C1    | ORIGINAL    | -     | 1        || VOIDED
    b  | C2    | ADJUSTMENT  | C1    | 2        || stays
    c  | C3    | VOID        | C1    | 3        || VOID_TRANSACTION

    A void without reference takes the earlier rows of its claim key only:
    id | claim | transaction | line | received
    a  | C1    | ORIGINAL    | 1    | 1        || VOIDED
    b  | C1    | ORIGINAL    | 2    | 1        || stays
    c  | C1    | VOID        | 1    | 2        || VOID_TRANSACTION

    At one time an original comes before an adjustment, an adjustment before a void:
    id | claim | transaction | received
    a  | C1    | VOID        | 1        || VOID_TRANSACTION
    b  | C1    | ADJUSTMENT  | 1        || VOIDED
    c  | C1    | ORIGINAL    | 1        || VOIDED

    A prior is found in any program, on all its lines or the one that is named, received later or not:
    id | claim | program  | line | transaction | prior | prior line | received
    a  | C1    | MDRP_FFS | 1    | ORIGINAL    | -     | -          | 5        || REPLACED
    b  | C1    | MDRP_MCO | 2    | ORIGINAL    | -     | -          | 5        || REPLACED
    c  | C2    | MDRP_FFS | 1    | ORIGINAL    | -     | -          | 5        || stays
    d  | C2    | MDRP_FFS | 2    | ORIGINAL    | -     | -          | 5        || REPLACED
    e  | C3    | MDRP_FFS | 1    | ADJUSTMENT  | C1    | -          | 1        || stays
    f  | C4    | MDRP_FFS | 1    | ADJUSTMENT  | C2    | 2          | 1        || stays

    A prior is one of the same payer and plan, no plan being a plan too:
    id | claim | plan | payer_id | transaction | prior
    a  | C1    | -    | KY       | ORIGINAL    | -     || REPLACED
    b  | C1    | P    | KY       | ORIGINAL    | -     || stays
    c  | C1    | -    | NY       | ORIGINAL    | -     || stays
    d  | C2    | -    | KY       | ADJUSTMENT  | C1    || stays

    A prior that is not in the feed is counted, and the adjustment stays:
    id | claim | transaction | prior | received
    a  | C1    | ADJUSTMENT  | C9    | 1        || stays + PRIOR_NOT_FOUND
    b  | C2    | ADJUSTMENT  | -     | 1        || stays + PRIOR_NOT_FOUND
    c  | C3    | VOID        | -     | 1        || VOID_TRANSACTION + PRIOR_NOT_FOUND
    d  | C3    | ORIGINAL    | -     | 2        || stays

    Adjustments of all lines of a claim, each under the claim's own id, leave one another alone:
    id | claim | line | transaction | prior | received
    a  | C1    | 1    | ORIGINAL    | -     | 1        || REPLACED
    b  | C1    | 2    | ORIGINAL    | -     | 1        || REPLACED
    c  | C1    | 1    | ADJUSTMENT  | C1    | 2        || stays
    d  | C1    | 2    | ADJUSTMENT  | C1    | 2        || stays

    An equal row after a void is a bill of its own:
    id | claim | transaction | received
    a  | C1    | ORIGINAL    | 1        || VOIDED
    b  | C1    | VOID        | 2        || VOID_TRANSACTION
    c  | C1    | ORIGINAL    | 3        || stays

    An equal row is one sent again until something of its own claim came between:
    id | claim | line | transaction | units | prior | received
    a  | C1    | 1    | ORIGINAL    | 30    | -     | 1        || stays
    b  | C1    | 2    | VOID        | 30    | -     | 2        || VOID_TRANSACTION + PRIOR_NOT_FOUND
    c  | C1    | 1    | ORIGINAL    | 30    | -     | 3        || REDELIVERED
    d  | C2    | 1    | ORIGINAL    | 30    | -     | 1        || VOIDED
    e  | C3    | 1    | VOID        | 30    | C2    | 2        || VOID_TRANSACTION
    f  | C2    | 1    | ORIGINAL    | 30    | -     | 3        || stays
    g  | C2    | 1    | ORIGINAL    | 30    | -     | 4        || REDELIVERED

    A whole file again after an adjustment leaves the adjustment:
    id | claim | transaction | units | received
    a  | C1    | ORIGINAL    | 30    | 1        || REPLACED
    b  | C1    | ADJUSTMENT  | 28    | 2        || stays
    c  | C1    | ORIGINAL    | 30    | 3        || REPLACED
    d  | C1    | ADJUSTMENT  | 28    | 3        || REDELIVERED

    A whole file again after a void leaves nothing:
    id | claim | transaction | received
    a  | C1    | ORIGINAL    | 1        || VOIDED
    b  | C1    | VOID        | 2        || VOID_TRANSACTION
    c  | C1    | ORIGINAL    | 3        || VOIDED
    d  | C1    | VOID        | 3        || REDELIVERED

    The same where the adjustment and the void name their prior:
    id | claim | transaction | units | prior | received
    a  | C1    | ORIGINAL    | 30    | -     | 1        || REPLACED
    b  | C2    | ADJUSTMENT  | 28    | C1    | 2        || stays
    c  | C1    | ORIGINAL    | 30    | -     | 3        || REPLACED
    d  | C2    | ADJUSTMENT  | 28    | C1    | 3        || REDELIVERED
    e  | C5    | ORIGINAL    | 30    | -     | 1        || VOIDED
    f  | C6    | VOID        | 30    | C5    | 2        || VOID_TRANSACTION
    g  | C5    | ORIGINAL    | 30    | -     | 3        || VOIDED
    h  | C6    | VOID        | 30    | C5    | 3        || REDELIVERED

    Rebate types are claims of their own, and no type is the only one of the program:
    id | claim | program    | rebate_type   | transaction | units | received
    a  | C1    | MDRP_FFS   | -             | ORIGINAL    | 30    | 1        || REPLACED
    b  | C1    | MDRP_FFS   | FEDERAL       | ORIGINAL    | 30    | 2        || REDELIVERED
    c  | C1    | MDRP_FFS   | SUPPLEMENTAL  | ORIGINAL    | 30    | 1        || stays
    d  | C1    | MDRP_FFS   | FEDERAL       | ADJUSTMENT  | 28    | 3        || stays
    e  | C2    | COMMERCIAL | -             | ORIGINAL    | 30    | 1        || stays
    f  | C2    | COMMERCIAL | BASE          | ORIGINAL    | 30    | 2        || REDELIVERED
    g  | C2    | COMMERCIAL | FEE           | ORIGINAL    | 30    | 2        || stays

    A prior is looked up within one rebate type:
    id | claim | rebate_type  | transaction | prior | units
    a  | C1    | -            | ORIGINAL    | -     | 30    || REPLACED
    b  | C1    | SUPPLEMENTAL | ORIGINAL    | -     | 30    || stays
    c  | C2    | FEDERAL      | ADJUSTMENT  | C1    | 28    || stays
    d  | C3    | PRICE_PROTECTION | VOID    | C1    | 30    || VOID_TRANSACTION + PRIOR_NOT_FOUND

    A bill after a void or an adjustment that names its claim stands, whatever its units:
    id | claim | transaction | units | prior | received
    a  | C1    | ORIGINAL    | 30    | -     | 1        || VOIDED
    b  | C2    | VOID        | 30    | C1    | 2        || VOID_TRANSACTION
    c  | C1    | ORIGINAL    | 25    | -     | 3        || stays

    Partial fill and completion both stand:
    id | claim | dispensing_status | units
    a  | C1    | P                 | 10    || stays
    b  | C2    | C                 | 20    || stays
    """,
)

ENTITY = cases(
    "entity_claims",
    """
    A reversal cancels what was submitted at or before it:
    id | status    | submitted
    a  | SUBMITTED | 1         || REVERSED
    b  | SUBMITTED | 2         || REVERSED
    c  | REVERSED  | 2         || REVERSAL_TRANSACTION
    d  | SUBMITTED | 3         || stays

    A submission without a time came before every reversal, a reversal without a time after every submission:
    id | status    | rx      | submitted
    a  | SUBMITTED | 1234567 | -         || REVERSED
    b  | SUBMITTED | 1234567 | 1         || REVERSED
    c  | REVERSED  | 1234567 | -         || REVERSAL_TRANSACTION
    d  | SUBMITTED | 2345678 | -         || REVERSED
    e  | REVERSED  | 2345678 | 1         || REVERSAL_TRANSACTION
    f  | SUBMITTED | 2345678 | 2         || stays

    Normalised Rx number and NDC-9 decide, and a missing fill equals only a missing fill:
    id | status    | rx         | fill | ndc          | submitted
    a  | SUBMITTED | 0001234567 | -    | 0002-7597-02 | 1         || REVERSED
    b  | REVERSED  | 1234567    | -    | 00002759701  | 2         || REVERSAL_TRANSACTION
    c  | SUBMITTED | 1234567    | 0    | 00002759701  | 1         || stays
    d  | SUBMITTED | 1234567-00 | -    | 00002759701  | 1         || stays

    A reversal without partner is counted:
    id | status    | rx      | entity | submitted
    a  | SUBMITTED | 1234567 | DSH1   | 1         || stays
    b  | REVERSED  | 1234567 | DSH2   | 2         || REVERSAL_TRANSACTION + REVERSAL_UNMATCHED
    c  | SUBMITTED | 123     | DSH3   | 1         || stays
    d  | REVERSED  | 123     | DSH3   | 2         || REVERSAL_TRANSACTION + REVERSAL_UNMATCHED
    """,
)

INVOICES = cases(
    "invoices",
    """
    A line sent again is dropped, a line in conflict is quarantined; the first stands:
    id | invoice | units | sub_program | on
    a  | I1      | 100   | -           | 1  || stays
    b  | I1      | 100   | -           | 2  || REDELIVERED
    c  | I1      | 101   | -           | 2  || KEY_DUPLICATE
    d  | I1      | 100   | XIX         | 1  || stays
    e  | I2      | 100   | -           | 1  || stays

    A new total replaces the totals of its key, whatever invoice they were on:
    id | invoice | kind              | units | sub_program | rebate_type | on
    a  | I1      | CURRENT           | 100   | XIX         | -           | 1  || REPLACED
    b  | I1      | CURRENT           | 100   | EXPANSION   | -           | 1  || stays
    c  | I1      | CURRENT           | 100   | XIX         | SUPPLEMENTAL | 1  || stays
    d  | I2      | PRIOR_REPLACEMENT | 80    | XIX         | FEDERAL     | 3  || REPLACED
    e  | I3      | PRIOR_REPLACEMENT | 90    | XIX         | -           | 5  || stays
    f  | I0      | PRIOR_REPLACEMENT | 95    | XIX         | -           | 4  || REPLACED
    g  | I3      | PRIOR_REPLACEMENT | 90    | XIX         | -           | 6  || REDELIVERED

    A new total has the differences in it that came before it; later ones add to it:
    id | invoice | kind              | units | sub_program | rebate_type | on
    a  | I1      | CURRENT           | 100   | -           | -           | 1  || REPLACED
    b  | I2      | PRIOR_DELTA       | -10   | -           | -           | 2  || REPLACED
    c  | I3      | PRIOR_REPLACEMENT | 85    | -           | -           | 3  || stays
    d  | I4      | PRIOR_DELTA       | -5    | -           | -           | 3  || stays
    e  | I5      | PRIOR_DELTA       | -5    | -           | -           | 4  || stays
    f  | I6      | PRIOR_DELTA       | -5    | -           | -           | -  || stays

    A new total whose units are not stated replaces nothing:
    id | invoice | kind              | units | sub_program | rebate_type | on
    a  | I1      | CURRENT           | 100   | -           | -           | 1  || stays
    b  | I2      | PRIOR_REPLACEMENT | -     | -           | -           | 2  || stays
    """,
)

NETTINGS = {"rebate_claims": net_rebate_claims, "entity_claims": net_entity_claims, "invoices": net_invoices}


@pytest.mark.parametrize(
    ("table", "specified"),
    [("rebate_claims", REBATE), ("entity_claims", ENTITY), ("invoices", INVOICES)],
    ids=["rebate claims", "entity claims", "invoices"],
)
def test_fates(spark: SparkSession, table: str, specified: list[Case]) -> None:
    """All cases of a table in one job, each with a payer, pharmacy or state of its own."""
    rows = []
    for number, case in enumerate(specified):
        rows += [apart(table, one, number) for one in case.rows]
    conformed = settled(conform(received(spark, rows), TABLES[table], as_of=AS_OF))
    netting = NETTINGS[table](conformed).withColumnRenamed("left_as", "net_left_as")
    found: dict[tuple[int, str], str] = {}
    for one in conformed.join(netting, "row_id", "left").collect():
        said = one.asDict()
        noticed = [name.upper() for name in ("prior_not_found", "reversal_unmatched") if said.get(name)]
        fate = " + ".join([said.get("problem") or said["net_left_as"] or "stays", *noticed])
        assert found.setdefault(place_of(table, one), fate) == fate
    expected = {(number, name): fate for number, case in enumerate(specified) for name, fate in case.fates.items()}
    assert {key: found[key] for key in expected} == expected


def apart(table: str, one: dict[str, str | None], number: int) -> dict[str, str | None]:
    if table == "rebate_claims":
        return {**one, "source_row_id": f"{number}.{one['source_row_id']}", "payer_id": f"{number}.{one['payer_id']}"}
    if table == "entity_claims":
        return {**one, "source_row_id": f"{number}.{one['source_row_id']}", "entity_id": f"{one['entity_id']}.{number}"}
    return {**one, "product_name": f"{number}.{one['source_row_id']}", "state": ("KY", "GA", "OH", "AL")[number]}


def place_of(table: str, one: Row) -> tuple[int, str]:
    number, _, name = (one.product_name if table == "invoices" else one.source_row_id).partition(".")
    return int(number), name


PHARMACY = {
    # transactions of one dispense as code@day, and what it ends as
    "billed": ("B1@1", "B1"),
    "reversed": ("B1@1 B2@2", "B2"),
    "rebilled": ("B1@1 B2@2 B1@3", "B1"),
    "rebilled by B3": ("B1@1 B3@2", "B3"),
    "reversed after all": ("B1@1 B3@2 B2@3", "B2"),
    "delivered in disorder": ("B2@2 B1@1", "B2"),
    "bill and reversal at one time": ("B2@1 B1@1", "B2"),
    "reversal and rebill at one time": ("B3@1 B2@1", "B3"),
    "billed, reversed and billed again at one time": ("B1@1 B2@1 B1@1", "B1"),
    "the same without times": ("B1@- B2@- B1@-", "B1"),
    "billed and reversed twice at one time": ("B1@1 B2@1 B1@1 B2@1", "B2"),
    "reversed and billed again at a later time": ("B1@1 B2@2 B1@2", "B1"),
    "billed and reversed after a reversal": ("B1@1 B2@2 B1@3 B2@3", "B2"),
    "reversed twice at one time": ("B1@1 B2@2 B2@2", "B2"),
    "no time comes first": ("B2@- B1@1", "B1"),
    "no times at all": ("B2@- B1@-", "B2"),
}


def test_a_dispense_ends_as_its_last_transaction(spark: SparkSession) -> None:
    rows = []
    for number, (transactions, _) in enumerate(PHARMACY.values()):
        for place, (code, day) in enumerate(one.split("@") for one in transactions.split()):
            at = None if day == "-" else f"2026-01-0{day}"
            script = f"1234{number:03}"
            rows.append(
                row("pharmacy_claims", f"{number}.{place}", transaction_code=code, transaction_at=at, rx_number=script)
            )
    conformed = settled(conform(received(spark, rows), TABLES["pharmacy_claims"], as_of=AS_OF))
    dispenses = pharmacy_dispenses(conformed, net_pharmacy_claims(conformed)).collect()
    ended = {one.rx_key: one.last_transaction for one in dispenses}
    assert {name: ended[f"1234{number:03}"] for number, name in enumerate(PHARMACY)} == {
        name: code for name, (_, code) in PHARMACY.items()
    }
