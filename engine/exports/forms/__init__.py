"""ROSI and PQAS as files: CSV, a workbook in the form's layout, and PDF."""

from engine.exports.forms.files import DRAFT_PREFIX, FormFormat, write_form

__all__ = ["DRAFT_PREFIX", "FormFormat", "write_form"]
