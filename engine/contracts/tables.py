"""Every table that the engine reads: columns, kinds, what is required, keys (contract parts 1 and 2)."""

from __future__ import annotations

from engine.contracts.codes import Subject
from engine.contracts.columns import Table
from engine.contracts.extensions import EXTENSIONS
from engine.contracts.feeds import ENTITY_CLAIMS, FEEDS, INVOICES, PHARMACY_CLAIMS, REBATE_CLAIMS
from engine.contracts.references import CMS_UNIT_TYPES, REFERENCES

__all__ = [
    "CMS_UNIT_TYPES",
    "ENTITY_CLAIMS",
    "FEEDS",
    "FEED_NAMES",
    "INVOICES",
    "PHARMACY_CLAIMS",
    "REBATE_CLAIMS",
    "SUBJECT_FEEDS",
    "TABLES",
]

FEED_NAMES = frozenset(table.name for table in FEEDS)

# The table whose rows are judged as a subject.
SUBJECT_FEEDS: dict[Subject, str] = {
    Subject.REBATE_CLAIM: REBATE_CLAIMS.name,
    Subject.ENTITY_CLAIM: ENTITY_CLAIMS.name,
    Subject.INVOICE: INVOICES.name,
    Subject.INFLATION_REPORT: "inflation_reports",
}

TABLES: dict[str, Table] = {table.name: table for table in (*FEEDS, *REFERENCES, *EXTENSIONS)}
