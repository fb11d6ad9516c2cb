"""The folders of one run: `<run_id>` once it is published, and temporary folders next to it.

`.<run_id>.work` holds intermediate results for a resume, `.<run_id>.partial` the outputs until they are complete,
`.<run_id>.replaced` the previous run while `--overwrite` replaces it. A folder is deleted or replaced only if it
belongs to the run: it contains the owner file, or it is a published run of this id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlparse

from engine.contracts.tables import TABLES
from engine.errors import OutputError, Problem
from engine.runs.lease import LEASE_FILE
from engine.runtime.storage import SUCCESS_MARKER, Storage, join, name_of
from engine.settings import Settings

OWNER_FILE = "_owner.json"
SUMMARY = "summary.json"
# Object stores: a rename there copies every byte and is not atomic.
_NO_RENAME = {"s3", "s3a", "s3n", "gs", "oss", "cosn"}
_PATTERN = set("*?[{")


class RunFolders:
    """The folders of one run, before and after it is published.

    On a file system that renames folders, outputs are collected in `partial`, and publishing is one rename; an
    overwritten run is kept as `replaced` until the new one is in place. On an object store outputs are written in
    place and the manifest `_SUCCESS` last; an overwritten run is deleted only once the new one is complete in
    `partial`, and is then copied.
    """

    def __init__(self, storage: Storage, root: str, run_id: str, job: str = "detect"):
        self._storage = storage
        self._root = root
        self.run_id = run_id
        self._job = job
        self._renames = urlparse(root).scheme not in _NO_RENAME
        self.final = join(root, run_id)
        self.work = join(root, f".{run_id}.work")
        self.partial = join(root, f".{run_id}.partial")
        self.replaced = join(root, f".{run_id}.replaced")

    @property
    def outputs(self) -> str:
        """The folder for outputs until `publish`."""
        in_place = not self._renames and not self.is_published
        return self.final if in_place else self.partial

    @property
    def is_published(self) -> bool:
        """Whether the run's folder is complete."""
        return self._is_complete(self.final)

    @property
    def published_at(self) -> str:
        """The time in the manifest, which sorts; "" if the run is not published."""
        return str(self._json(join(self.final, SUCCESS_MARKER)).get("published_at", "")) if self.is_published else ""

    @property
    def is_interrupted(self) -> bool:
        """True if the work folder belongs to a run that started and did not finish."""
        return self._storage.exists(join(self.work, OWNER_FILE))

    @property
    def has_results(self) -> bool:
        """True if the work folder contains a complete intermediate result."""
        return self._has_result(self.work)

    def check_owned(self) -> None:
        """Raise OutputError if one of the folders does not belong to this run; changes nothing."""
        self._check_case()
        for folder in (self.final, self.work, self.partial, self.replaced):
            if self._storage.exists(folder) and not self._is_own(folder):
                raise OutputError(
                    Problem(
                        "the run's folder exists and is not a run of this id",
                        folder,
                        expected=f"no such path, or a published run ({SUCCESS_MARKER} and {SUMMARY} with this run id)",
                        to_do="use another --run-id; nothing is deleted, --overwrite replaces published runs only",
                    )
                )

    def begin(self, resume: bool) -> None:
        """Prepare the work and output folders; the caller holds the lease. Only `resume` keeps earlier results.

        Raises:
            OutputError: the interrupted run belongs to another job.
        """
        owner = join(self.work, OWNER_FILE)
        if resume and self._storage.exists(owner):
            before = self._json(owner).get("job")
            if before != self._job:
                raise OutputError(
                    Problem(
                        "the interrupted run cannot be resumed by this job",
                        self.work,
                        f"a run of {before}",
                        f"a run of {self._job}",
                        "use another --run-id, or --overwrite to start again",
                    )
                )
        self.claim_work()
        if not resume:
            self.clear_work()
        self.clear_outputs()
        self._storage.make_folder(self.outputs)
        self._write_owner(self.outputs)

    def claim_work(self) -> None:
        """Mark the work folder as this run's."""
        self._write_owner(self.work)

    def clear_work(self) -> None:
        """Delete the content of the work folder except the lease and the owner file."""
        for name in self._storage.children(self.work):
            if not name.startswith((LEASE_FILE, OWNER_FILE)):
                self._storage.delete(join(self.work, name))

    def clear_outputs(self) -> None:
        """Delete incomplete outputs; `recover` handles complete ones."""
        if not self._is_complete(self.partial):
            for folder in {self.partial, self.outputs}:
                self._delete(folder)

    def delete_work(self) -> None:
        """Delete the work folder."""
        self._delete(self.work)

    def keep(self, result: str, name: str) -> bool:
        """Move an intermediate result to `name` below the outputs; returns False if there is none of it."""
        source, target = join(self.work, *result.split("/")), join(self.outputs, *name.split("/"))
        if not self._storage.exists(source):
            return False
        self._storage.make_folder(target.rpartition("/")[0])
        if self._renames:
            self._storage.rename(source, target)
        else:
            self._storage.copy(source, target)
        return True

    def publish(self) -> None:
        """Make the complete run visible. A run that it replaces stays until the new one is in place."""
        outputs = self.outputs
        manifest = {"run_id": self.run_id, "published_at": datetime.now(UTC).isoformat(timespec="seconds")}
        self._storage.write_text(join(outputs, SUCCESS_MARKER), json.dumps(manifest) + "\n")
        self._storage.delete(join(outputs, OWNER_FILE))
        if outputs != self.final:
            self._put_in_place()

    def recover(self) -> str | None:
        """Finish or undo a publication that was interrupted; returns a message about what was done, None if nothing
        was.

        Complete outputs are put in place; without them, the replaced run goes back to its place.
        """
        if self._is_complete(self.partial):
            self._put_in_place()
            return f"publishing run {self.run_id} had been interrupted and was completed: {self.final}"
        if self._storage.exists(self.replaced):
            begun_to_delete = self._storage.exists(join(self.replaced, OWNER_FILE))
            if self._storage.exists(self.final) or begun_to_delete:
                self._delete(self.replaced)
                return None
            self._storage.rename(self.replaced, self.final)
            return f"replacing run {self.run_id} had been interrupted; the previous run was restored: {self.final}"
        return None

    def _put_in_place(self) -> None:
        self.check_owned()
        if not self._renames:
            self._delete(self.final)
            for name in self._storage.children(self.partial):
                if name not in (SUCCESS_MARKER, OWNER_FILE):
                    self._storage.copy(join(self.partial, name), join(self.final, name))
            self._storage.copy(join(self.partial, SUCCESS_MARKER), join(self.final, SUCCESS_MARKER))
            self._delete(self.partial)
            return
        self._storage.delete(join(self.partial, OWNER_FILE))
        if self._storage.exists(self.final):
            self._delete(self.replaced)
            self._storage.rename(self.final, self.replaced)
        self._storage.rename(self.partial, self.final)
        self._delete(self.replaced)

    def _delete(self, folder: str) -> None:
        """Delete a folder of the run, the owner file last, so a partly deleted folder still belongs to the run."""
        if self._storage.exists(folder):
            with suppress(OutputError):  # on a full disk deleting is all the more important
                self._write_owner(folder)
            for name in self._storage.children(folder):
                if name != OWNER_FILE:
                    self._storage.delete(join(folder, name))
            self._storage.delete(folder)

    def _has_result(self, folder: str) -> bool:
        names = self._storage.children(folder)
        below = (join(folder, name) for name in names)
        return SUCCESS_MARKER in names or any(
            self._storage.is_folder(name) and self._has_result(name) for name in below
        )

    def _is_own(self, folder: str) -> bool:
        if not self._storage.is_folder(folder):
            return False
        if folder != self.final or not self._renames:
            names = self._storage.children(folder)
            if not names or self._names_run(join(folder, OWNER_FILE)) or (folder == self.work and LEASE_FILE in names):
                return True
            # copying into place was interrupted
            if folder == self.final and self._is_complete(self.partial):
                return True
        return self._is_complete(folder)

    def _is_complete(self, folder: str) -> bool:
        return self._names_run(join(folder, SUCCESS_MARKER)) and self._names_run(join(folder, SUMMARY))

    def _names_run(self, file: str) -> bool:
        return self._storage.exists(file) and self._json(file).get("run_id") == self.run_id

    def _json(self, file: str) -> dict[str, Any]:
        try:
            content = json.loads(self._storage.read_bytes(file))
        except (ValueError, OSError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write_owner(self, folder: str) -> None:
        owner, file = {"run_id": self.run_id, "job": self._job}, join(folder, OWNER_FILE)
        if not self._storage.exists(file) or self._json(file) != owner:
            self._storage.write_text(file, json.dumps(owner) + "\n")

    def _check_case(self) -> None:
        own = {name_of(folder) for folder in (self.final, self.work, self.partial, self.replaced)}
        by_lower = {name.lower() for name in own}
        for name in self._storage.children(self._root):
            if name.lower() in by_lower and name not in own:
                raise OutputError(
                    Problem(
                        "the run id differs only in upper and lower case from an existing name",
                        join(self._root, name),
                        self.run_id,
                        "names that differ on file systems that ignore case",
                        "use another --run-id",
                    )
                )


def check_apart_from_input(storage: Storage, settings: Settings, folders: RunFolders) -> None:
    """Raise OutputError if a run would replace its own input, or write into a folder that it reads a table from."""
    own = {folder: _comparable(storage, folder) for folder in (folders.final, folders.work, folders.partial)}
    for setting, uri in _inputs(settings):
        fixed, pattern = _parts(uri)
        read = _comparable(storage, fixed)
        for folder, written in own.items():
            replaces = f"{read}/".startswith(f"{written}/")
            is_table = setting.startswith("input.tables.")
            if replaces or (is_table and _is_read(f"{read}/{pattern}".rstrip("/"), written)):
                raise OutputError(
                    Problem(
                        "the run would write to a folder that it reads",
                        folder,
                        f"{setting} is {uri}",
                        "input and run in different folders",
                        "use another --run-id or --output, or copy the input elsewhere",
                    )
                )
    final, root = own[folders.final], settings.input.root
    if root is not None and final.rpartition("/")[0] == _comparable(storage, root):
        table = name_of(final).partition(".")[0]
        if table in TABLES:
            raise OutputError(
                Problem(
                    f"the run would be read as table {table} of its own input folder",
                    folders.final,
                    to_do="use another --run-id or --output",
                )
            )


def _inputs(settings: Settings) -> Iterator[tuple[str, str]]:
    """Setting and location of each file input; for a pattern, the folder before its first pattern character."""
    root = settings.input.root
    if root is not None:
        yield "input.root", root
    for table, location in settings.input.tables.items():
        for path in location.paths:
            is_absolute = path.startswith("/") or bool(urlparse(path).scheme)
            yield f"input.tables.{table}", path if is_absolute or root is None else join(root, path)
    yield "reference_folder", settings.reference_folder


def _parts(uri: str) -> tuple[str, str]:
    """A location split before its first name with a pattern character."""
    names = uri.split("/")
    first = next((number for number, name in enumerate(names) if _PATTERN & set(name)), len(names))
    return "/".join(names[:first]) or ("/" if uri.startswith("/") else "."), "/".join(names[first:])


def _is_read(pattern: str, folder: str) -> bool:
    """True if the folder, or one that it is in, matches the pattern."""
    wanted, names = pattern.split("/"), folder.split("/")
    return len(names) >= len(wanted) and all(map(fnmatchcase, names, wanted))


def _comparable(storage: Storage, uri: str) -> str:
    return storage.real_location(uri).rstrip("/").lower()
