"""Who may read what the engine writes: its owner and the owner's group."""

from __future__ import annotations

import os

# Files 0640, folders 0750: they hold claims.
_OTHERS_AND_GROUP_WRITE = 0o027


def restrict_new_files() -> int:
    """Keep new files of this process from other users; returns the mask. A stricter one of the user's stays."""
    mask = os.umask(_OTHERS_AND_GROUP_WRITE) | _OTHERS_AND_GROUP_WRITE
    os.umask(mask)
    return mask
