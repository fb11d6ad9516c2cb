"""The file formats that every engine reads. Data, no logic: the readers are in `engine/sources/tables.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileFormat:
    """A format of files.

    name: in the setting `format`. endings: of files, with which a file in the input folder is also found by its table's
    name. further: endings of files that a setting names.
    """

    name: str
    endings: tuple[str, ...]
    further: tuple[str, ...] = ()


PARQUET = FileFormat("parquet", (".parquet",))
CSV = FileFormat("csv", (".csv", ".csv.gz"))
JSON = FileFormat("json", (".json", ".json.gz", ".jsonl", ".jsonl.gz"))
EXCEL = FileFormat("excel", (".xlsx",), further=(".xlsm", ".xlsb", ".xls", ".ods"))
# an archive, of files of one other format
ZIP = FileFormat("zip", (".zip",))

FILE_FORMATS = (PARQUET, CSV, JSON, EXCEL, ZIP)
