"""Payers and the rebate contracts of pharmacy benefit managers and Part D plans."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from engine.contracts.codes import Program
from synthetic.calendar import day

PROGRAMS = (Program.MDRP_FFS, Program.MDRP_MCO, Program.COMMERCIAL, Program.PARTD, Program.MFP)
FFS, MCO, COMMERCIAL, PARTD, MFP = range(len(PROGRAMS))
PROGRAM_SHARES = (0.22, 0.33, 0.22, 0.23, 0.0)

BENEFIT_MANAGERS = ("PBM-ALDER", "PBM-BIRCH", "PBM-CEDAR", "PBM-ELM", "PBM-FIR", "PBM-HAZEL")
PART_D_SPONSORS = ("PDP-IRIS", "PDP-LILY", "PDP-ROSE", "PDP-SAGE", "PDP-TULIP")
FACILITATOR = "MTF"

EXCLUSION_ENDED = day(2025, 7, 1)
CONTRACTS_BEGIN = day(2024, 1, 1)


class Terms(IntEnum):
    """Which 340B claims a contract excludes."""

    NONE = -1
    NO_EXCLUSION = 0
    EXCLUDES = 1
    EXCLUDES_ENTITY_OWNED = 2
    EXCLUDES_LISTED = 3
    EXCLUDES_FLAGGED = 4
    EXCLUDED_ONCE = 5  # until EXCLUSION_ENDED


CONTRACT_TERMS = tuple(terms for terms in Terms if terms != Terms.NONE)
_TERMS_SHARES = (0.35, 0.35, 0.08, 0.08, 0.07, 0.07)
TERMS_CUMULATIVE = np.cumsum(_TERMS_SHARES) / sum(_TERMS_SHARES)


@dataclass(frozen=True)
class Contract:
    """A rebate contract of a payer in one program."""

    id: str
    payer: str
    program: Program
    terms: Terms
    rebate_share: float  # of WAC


@dataclass(frozen=True)
class Payers:
    """Contract number = first of its program + payer x number of terms + terms."""

    contracts: tuple[Contract, ...]
    first_contract: dict[int, int]
    payers_of: dict[int, int]

    def pick(self, program: np.ndarray, terms: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """A contract with these terms of one of the program's payers; -1 for programs without contracts."""
        contract = np.full(len(program), -1, dtype=np.int64)
        for number, first in self.first_contract.items():
            here = program == number
            payer = (chance[here] * self.payers_of[number]).astype(np.int64)
            contract[here] = first + payer * len(CONTRACT_TERMS) + terms[here]
        return contract


def build_payers() -> Payers:
    """The payers with their contracts; the same in every world."""
    contracts: list[Contract] = []
    first: dict[int, int] = {}
    for program, names in ((COMMERCIAL, BENEFIT_MANAGERS), (PARTD, PART_D_SPONSORS)):
        first[program] = len(contracts)
        for number, payer in enumerate(names):
            for terms in CONTRACT_TERMS:
                code = f"{payer}-{'C' if program == COMMERCIAL else 'D'}{terms + 1:02d}"
                contracts.append(Contract(code, payer, PROGRAMS[program], terms, 0.12 + 0.02 * number))
    return Payers(tuple(contracts), first, {COMMERCIAL: len(BENEFIT_MANAGERS), PARTD: len(PART_D_SPONSORS)})
