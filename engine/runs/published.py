"""Finished runs below an output folder."""

from __future__ import annotations

from engine.runs.folders import RunFolders
from engine.runtime.storage import Storage, join


def published_runs(storage: Storage, root: str, but: str) -> list[str]:
    """Folders of finished runs below `root` other than `but`, in the order in which they were published."""
    names = (name for name in storage.children(root) if name != but and not name.startswith("."))
    published = [(RunFolders(storage, root, name).published_at, name) for name in names]
    return [join(root, name) for at, name in sorted(published) if at]
