"""Credentials out of everything that people read: messages, logs, summaries, tags.

`masked` is the one function that hides them. It knows how credentials are written (in URIs, query parameters, ODBC
connection strings, keys of Spark and Hadoop) and, in addition, the values that `remember` was given, so that a message
that quotes a password alone is masked too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

MASK = "***"

_WORDS = (
    r"password|passwd|passphrase|pwd|secret|token|credential|private[._-]?key|access[._-]?key|account[._-]?key"
    r"|api[._-]?key|shared[._-]?key|encryption[._-]?key|connection[._-]?string|odbc[._-]?connect"
)
_SECRET_NAME = re.compile(rf"{_WORDS}|(?:^|[._-])(?:pass|sas|sig|signature)(?:$|[._-])", re.IGNORECASE)
# Settings that are addresses and may hold credentials whatever is wrong with their form.
_ADDRESS = re.compile(r"(?:^|\.)(?:tracking_uri|registry_uri|artifact_location)$", re.IGNORECASE)
# NAME=value, "NAME": "value", NAME={ODBC value}, up to what ends a value in a URI, a connection string or YAML.
_NAMED_VALUE = re.compile(
    rf"""((?:[\w.-]*(?:{_WORDS})[\w.-]*|(?<![\w.-])(?:pass|sas|sig|signature))["']?\s*(?:=|:(?!/))\s*)"""
    r"""(\{(?:[^}]|\}\})*\}|"[^"]*"|'[^']*'|[^\s;&,"'()<>\[\]{}]+)""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}")
# Within text a URI ends at white space or a quotation mark; a password in it may hold any other character.
_URI = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*:/{1,3})([^\s\"'<>`]*)")
_ONE_URI = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*:/{1,3})(.*)", re.DOTALL)
# In addresses of these kinds a name without a password is a token.
_WEB = {"http", "https"}
# Here a number after the first colon is a port, and an @ after a slash belongs to a file's name.
_FILE_SYSTEMS = {"file", "hdfs", "webhdfs", "swebhdfs", "viewfs", "abfs", "abfss", "wasb", "wasbs", "gs"}
_PORT = re.compile(r"[^:/@]*:\d+/")
# Shorter values occur inside other words and are masked only as words of their own.
_LEAST_LENGTH = 5
_NO_SECRETS = {"", "true", "false", "none", "null"}
_WORKING_FOLDERS = {"PWD", "OLDPWD"}

_remembered: set[str] = set()


def is_secret_name(name: str) -> bool:
    """True if a setting, option or variable of this name (parts joined by dots) holds a secret or an address."""
    return bool(_SECRET_NAME.search(name) or _ADDRESS.search(name))


def remember(value: str) -> None:
    """Mask this secret from now on wherever the process shows text."""
    if len(value.strip()) > 2 and value.strip().lower() not in _NO_SECRETS:
        _remembered.update({value.strip(), unquote(value.strip())})


def remember_secrets(values: Mapping[str, Any]) -> None:
    """Remember every secret among settings or variables: values of secret names, and credentials in addresses."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            remember_secrets(value)
        elif isinstance(value, str):
            if _SECRET_NAME.search(str(name)):
                remember(value)
            for secret in _credentials_in(value):
                remember(secret)


def remember_environment(variables: Mapping[str, str]) -> None:
    """Remember the secrets among environment variables.

    Working folders (PWD, OLDPWD), paths and numbers are no secrets whatever their names: masking them would hide the
    places and counts that messages are about.
    """
    remember_secrets(
        {
            name: value
            for name, value in variables.items()
            if name not in _WORKING_FOLDERS and not value.startswith(("/", "~")) and not value.isdigit()
        }
    )


def masked(text: str) -> str:
    """The text with `***` in place of each credential.

    User names stay (`user:***@host`), except in web addresses with a token alone (`https://***@host`). If a malformed
    address leaves open what belongs to the password, more is hidden rather than less.
    """
    text = _URI.sub(_masked_uri, text)
    text = _NAMED_VALUE.sub(rf"\1{MASK}", text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    for secret in sorted(_remembered, key=len, reverse=True):
        if len(secret) >= _LEAST_LENGTH:
            text = text.replace(secret, MASK)
        else:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    return text


def without_secrets(value: Any) -> Any:
    """JSON-like settings without the values of secret names, and with credentials in texts masked."""
    if isinstance(value, Mapping):
        return {
            key: without_secrets(inner)
            for key, inner in value.items()
            if isinstance(inner, Mapping) or not _SECRET_NAME.search(str(key))
        }
    if isinstance(value, list | tuple):
        return [without_secrets(inner) for inner in value]
    return masked(value) if isinstance(value, str) else value


def _credentials_in(text: str) -> set[str]:
    """What addresses and `name=value` pairs in the text hold, and the parts that a library may take for a host."""
    credentials = {
        pair.group(2).strip("\"'").removeprefix("{").removesuffix("}") for pair in _NAMED_VALUE.finditer(text)
    }
    uris = [match.groups() for match in _URI.finditer(text)]
    if (uri := _ONE_URI.fullmatch(text)) is not None:
        uris.append(uri.groups())
    for scheme, remainder in uris:
        user, password = _user_and_password(scheme, remainder)
        if password:
            credentials |= {password, *re.split(r"[@/?#]", password)}
        elif user and _kind(scheme) in _WEB:
            credentials.add(user)
    return credentials - {MASK}


def _user_and_password(scheme: str, remainder: str) -> tuple[str, str]:
    """Of what follows a URI's scheme; all that precedes the last @ may be part of them."""
    before, _, _ = remainder.rpartition("@")
    user, _, password = before.partition(":")
    is_path = "/" in user or (_kind(scheme) in _FILE_SYSTEMS and _PORT.match(before) is not None)
    return ("", "") if is_path else (user, password)


def _masked_uri(match: re.Match[str]) -> str:
    scheme, remainder = match.groups()
    user, password = _user_and_password(scheme, remainder)
    host = remainder.rpartition("@")[2]
    if password:
        return f"{scheme}{user}:{MASK}@{host}"
    if user and _kind(scheme) in _WEB:
        return f"{scheme}{MASK}@{host}"
    return match.group(0)


def _kind(scheme: str) -> str:
    return scheme.partition(":")[0].lower()
