"""The URL of a PostgreSQL store: read carefully, because it holds a password."""

from __future__ import annotations

import re
from typing import Final

from ...errors import ConfigurationError

_DEFAULTS: Final[dict[str, str | int | None]] = {
    "fallback_application_name": "opengradient-sdk",
    "connect_timeout": 10,  # seconds
    # a host that has vanished is noticed within half a minute, not within two hours
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}

_PASSWORD: Final = re.compile(r"(?<=//)([^:/?#@]*):.*@")
_PASSWORD_OPTION: Final = re.compile(r"([?&](?:ssl)?password=)[^&]*")


def is_postgres_url(location: str) -> bool:
    """Tell a PostgreSQL URL from the path of a file."""
    return location.startswith(("postgresql://", "postgres://"))


def without_secrets(location: str) -> str:
    """Return ``location`` for people to read: a URL's passwords are masked, a path is as it is."""
    if not is_postgres_url(location):
        return location
    return _PASSWORD_OPTION.sub(r"\1***", _PASSWORD.sub(r"\1:***@", location))


def read_url(url: str) -> str:
    """Return the connection string of ``url``, with time limits where it has none.

    Raises:
        ConfigurationError: It cannot be read. The error does not repeat any of it: what stands in
            the wrong place may be part of the password.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    unreadable = ConfigurationError(
        "the PostgreSQL URL of the store cannot be read",
        hint="It is postgresql://user:password@host:port/database; in the password, write"
        " characters such as @ : / ? # % as %40 %3A %2F %3F %23 %25.",
    )
    try:
        options = conninfo_to_dict(url)
    except ProgrammingError:
        raise unreadable from None
    ports = str(options.get("port", ""))
    names = f"{options.get('host', '')}{options.get('dbname', '')}"
    if "@" in names or re.fullmatch(r"[\d,]*", ports) is None:
        raise unreadable
    return make_conninfo("", **(_DEFAULTS | options))
