"""Units invoiced beyond what was sold into the state (code P)."""

from __future__ import annotations

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.rules import root_causes
from engine.rules.common import MEDICAID, line_invoiced
from engine.rules.hit import Facts, Hit, key_of, reference_row
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import sentence


@rule(
    "R034",
    "Units invoiced exceed units sold",
    on={Subject.INVOICE: ("sales", "invoices.units_reimbursed")},
    programs=MEDICAID,
    evidence=Evidence.MEDIUM,
    explains_unusual=True,
    codes=("P",),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.DISPUTE,
    root_cause=root_causes.QUANTITY_OF_PRODUCT,
    data_source=DataSource.SALES,
    citation="CMS-304 dispute code P",
    document="method and source of the sales data",
    thresholds=(
        Threshold("times_sold", 1.2, "units invoiced over four quarters as a multiple of those sold into the state"),
        Threshold("minimum_units", 100.0, "units above those sold that make an inquiry worthwhile"),
    ),
    version=2,
)
def units_beyond_sales(f: Facts, parameters: Parameters) -> Hit:
    """Over four quarters the state's Medicaid programs billed more units of the product, by one kind of rebate, than
    were sold into the state. Differences of earlier quarters add to them with their sign, new totals replace the old.
    Sales to other states reach it by mail order and over the border, and stock is used later: the margin allows for
    that. At issue is the line's share of the excess, in proportion to its units less those that differences credited.
    """
    excess = f.units_invoiced_in_state - f.units_sold_in_state
    return Hit(
        when=(f.f49_invoice_vs_sales > parameters.number("times_sold"))
        & (excess > parameters.number("minimum_units"))
        & (f.share_of_units_in_state > 0),
        message=sentence(
            "{line}. In the four quarters up to {period}, {invoiced:number} units were invoiced by the state's "
            "Medicaid programs, {times:ratio} times the {sold:number} units sold into the state: the units appear to "
            "exceed sales.",
            line=line_invoiced(f),
            period=f.period,
            invoiced=f.units_invoiced_in_state,
            times=f.f49_invoice_vs_sales,
            sold=f.units_sold_in_state,
        ),
        units=excess * f.share_of_units_in_state,
        references=(reference_row("sales", key_of(f.ndc11, f.state, f.period)),),
    )
