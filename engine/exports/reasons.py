"""Ledger reasons in words."""

from __future__ import annotations

from engine.contracts.words import REASON_WORDS

_KNOWN = {reason.value: words for reason, words in REASON_WORDS.items()}


def reason_words(reason: str) -> str:
    """`NDC_MISSING` becomes "ndc is missing"; a reason without words becomes ''."""
    if reason in _KNOWN:
        return _KNOWN[reason]
    for ending, words in (
        ("_MISSING", "is missing"),
        ("_INVALID", "cannot be read or is not allowed"),
        ("_DAMAGED", "is a number in scientific notation, made by a spreadsheet"),
    ):
        if reason.endswith(ending):
            return f"{reason.removesuffix(ending).lower()} {words}"
    return ""
