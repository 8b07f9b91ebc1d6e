"""The address of MLflow: for MLflow, for people, and for artifacts.

Nothing here imports mlflow.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from urllib.parse import quote, unquote, urlsplit

from harness.store.records import Results
from harness.system.addresses import masked
from pivl.errors import UserError

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


@dataclass(frozen=True)
class Place:
    """The address that was `given`, or the file mlflow.db in a results folder.

    database: the file of SQLite. artifacts: the folder for those of new experiments; None where MLflow says which.
    """

    given: str
    is_own: bool = False
    database: Path | None = None
    artifacts: Path | None = None

    @property
    def is_server(self) -> bool:
        """Whether MLflow is reached over HTTP."""
        return self.given.startswith(("http://", "https://"))

    @property
    def is_database(self) -> bool:
        """Whether MLflow opens a database with SQLAlchemy."""
        return self.given.partition(":")[0].partition("+")[0] in DATABASES

    @property
    def login(self) -> tuple[str, str] | None:
        """User and password of a server's address."""
        parts = urlsplit(self.given) if self.is_server else None
        if parts is None or not parts.username or not parts.password:
            return None
        return unquote(parts.username), unquote(parts.password)

    @property
    def uri(self) -> str:
        """The address for MLflow, which takes a server's user and password from the environment."""
        if self.login is None:
            return self.given
        parts = urlsplit(self.given)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def name(self) -> str:
        """The name in messages, without user and password."""
        return str(self.database) if self.is_own else masked(self.given)

    @property
    def shown(self) -> str:
        """The address, without user and password."""
        return masked(self.given)

    @property
    def typed(self) -> str:
        """The address as an argument of a shell's command, which works and holds no password."""
        return shlex.quote(self.given) if self.shown == self.given else '"$MLFLOW_TRACKING_URI"'

    @property
    def how_to_look(self) -> str:
        """The command or address that shows MLflow to a person."""
        if self.is_database or self.given.startswith(("file:", "/", ".")):
            return f"with {_program()} ui --backend-store-uri {self.typed}"
        return f"in a browser at {self.shown}" if self.is_server else f"at {self.shown}"

    @contextmanager
    def signed_in(self) -> Iterator[None]:
        """Sets the user and password of the address in the environment, where MLflow looks them up."""
        before = {name: os.environ.get(name) for name in LOGIN}
        try:
            os.environ.update(zip(LOGIN, self.login or (), strict=False))
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def place_of(results: Results) -> Place:
    """MLFLOW_TRACKING_URI, or the SQLite file in the results folder. Artifacts lie beside the file of SQLite."""
    given, root = os.environ.get("MLFLOW_TRACKING_URI", "").strip(), results.root.resolve()
    if not given:
        return Place(_sqlite(root / "mlflow.db"), True, root / "mlflow.db", root / "mlartifacts")
    place = Place(given)
    if not place.is_database:
        return place
    file = _file(given) if given.startswith("sqlite") else None
    return Place(given, False, file, (file.parent if file else root) / "mlartifacts")


def _sqlite(path: Path) -> str:
    """The address of a file of any name: `?` and `%` mean something in the plain one, to some versions or others."""
    if not re.search("[?%]", str(path)):
        return f"sqlite:///{path}"
    from sqlalchemy import URL

    url = URL.create("sqlite+pysqlite", database=f"file:{quote(str(path))}", query={"uri": "true"})
    return url.render_as_string(hide_password=False)


def _file(address: str) -> Path:
    """The file of an address of SQLite. UserError for one in memory, of which nothing would be left."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        name = make_url(address).database
    except ArgumentError:
        name = None
    if name in (None, "", ":memory:"):
        raise UserError(f"MLFLOW_TRACKING_URI={address} names no file; write sqlite:////FOLDER/FILE.db")
    path = unquote(name.removeprefix("file:")) if name.startswith("file:") else name
    return Path(path).resolve()


def _program() -> str:
    """MLflow's program as a shell's command: by its name where that is found, else where this Python has it."""
    return "mlflow" if which("mlflow") else shlex.quote(str(Path(sys.executable).with_name("mlflow")))
