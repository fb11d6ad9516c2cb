"""The rules, one module per topic. Importing this package registers every rule of every module in it."""

from __future__ import annotations

import importlib
import pkgutil

from engine.rules.registry import REGISTRY

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["REGISTRY"]
