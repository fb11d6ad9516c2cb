"""The file formats that every engine reads, one module each. Importing this package finds all modules in it."""

from __future__ import annotations

import importlib
import pkgutil

from engine.sources.reader import FileFormat

_MODULES = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
_DECLARED = [declared for module in _MODULES for declared in vars(module).values() if isinstance(declared, FileFormat)]
FILE_FORMATS: dict[str, FileFormat] = {kind.name: kind for kind in sorted(_DECLARED, key=lambda kind: kind.name)}


def format_of(path: str) -> str | None:
    """The format for a file's extension; None for an unknown extension.

    >>> format_of("claims/2025Q3.CSV.GZ"), format_of("claims.xls"), format_of("claims.txt")
    ('csv', 'excel', None)
    """
    name = path.rstrip("/").lower()
    return next((kind.name for kind in FILE_FORMATS.values() if name.endswith(kind.endings + kind.further)), None)
