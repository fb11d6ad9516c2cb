"""`python -m engine.rules` writes the page of rules to standard output."""

from __future__ import annotations

import sys

from engine.rules import REGISTRY
from engine.rules.page import rules_page

sys.stdout.write(rules_page(REGISTRY))
