"""The file formats as a page, made from their declarations."""

from __future__ import annotations

from engine.sources import FILE_FORMATS
from engine.sources.reader import FileFormat

_OPENING = """\
# File formats

Made by `python -m docs_pages` from the modules of `engine/sources/file_formats/`; do not edit. Both
[engines](engines.md) read these formats. A file of one of the endings in the input folder is found by its table's name
(`rebate_claims.csv`); a file of any other name is named in the settings, with `format` if its ending is not listed:
[input-files.md](input-files.md).

| `format` | endings | contents | more endings, if a setting names the file | options |
|---|---|---|---|---|
"""


def file_formats_page() -> str:
    """Markdown: one row per file format that every engine reads."""
    return _OPENING + "".join(f"| {' | '.join(_cells(kind))} |\n" for kind in FILE_FORMATS.values())


def _cells(kind: FileFormat) -> tuple[str, str, str, str, str]:
    options = f"[{kind.page.partition('#')[0]}]({kind.page})" if kind.page else ""
    return f"`{kind.name}`", _code(kind.endings), kind.contents, _code(kind.further), options


def _code(endings: tuple[str, ...]) -> str:
    return ", ".join(f"`{ending}`" for ending in endings)
