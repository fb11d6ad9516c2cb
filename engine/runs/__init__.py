"""A run's folders in the output folder: ownership, the lease for writing, and publication."""

from engine.runs.folders import RunFolders, check_apart_from_input
from engine.runs.interrupts import interruptible, interruption_of, undisturbed
from engine.runs.lease import Lease, LeaseLost
from engine.runs.provenance import differences, digest

__all__ = [
    "Lease",
    "LeaseLost",
    "RunFolders",
    "check_apart_from_input",
    "differences",
    "digest",
    "interruptible",
    "interruption_of",
    "undisturbed",
]
