"""All rule specifications of this folder."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.spec.rule_cases import Spec


def all_specs() -> list[Spec]:
    modules = sorted(path.stem for path in Path(__file__).parent.glob("test_rule_*.py"))
    return [spec for name in modules for spec in importlib.import_module(f"tests.spec.{name}").SPECS]
