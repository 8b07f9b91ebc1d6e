"""Explains an MLflow error in one line with advice and no password, without importing mlflow."""

from collections.abc import Iterator
from importlib.metadata import version

from harness.system.addresses import without_login
from harness.tracking.place import Place
from pivl.errors import UserError, first_line

ANEW = "delete it: pivl-bench mlflow sync makes it again from the records"
DAMAGED = ("not a database", "malformed", "disk I/O error")
FOREIGN = ("unsupported URI", "maintenance mode", "Could not parse SQLAlchemy URL", "Can't load plugin")
CLOSED = ("readonly", "read-only", "unable to open")


def advice(error: Exception, place: Place) -> str:
    """The line for an error raised while `place` was opened, read or written."""
    from sqlalchemy.exc import DBAPIError

    causes = list(_causes(error))
    missing = next((cause for cause in causes if isinstance(cause, ModuleNotFoundError)), None)
    text = first_line(next((cause.orig for cause in causes if isinstance(cause, DBAPIError)), error))
    if isinstance(error, UserError):
        return str(error)
    if missing is not None:
        wanted = "'pivl-bench[postgresql]'" if missing.name == "psycopg" else missing.name
        return f"{place.name} needs the package {missing.name}, which is not installed; pip install {wanted}"
    if "out-of-date database schema" in text:
        anew = f", or {ANEW}" if place.is_own else ""
        return f"{place.name} was made by an older MLflow; mlflow db upgrade {place.typed}{anew}"
    if place.database and any(word in text for word in DAMAGED):
        return f"{place.name} is damaged ({text}); {ANEW if place.is_own else 'restore it from a copy'}"
    if place.database and any(word in text for word in CLOSED):
        return f"{place.name} cannot be written ({text}); change its permissions, or set another MLFLOW_TRACKING_URI"
    if place.database and "locked" in text:
        return f"{place.name} is locked by another program ({text}); try again when that has ended"
    if any(word in text for word in FOREIGN):
        return (
            f"{place.name} is no address that MLflow takes; MLFLOW_TRACKING_URI can be http://HOST:PORT, sqlite:///FILE "
            "or postgresql://USER@HOST/DATABASE"
        )
    return f"{place.name}: {without_login(text, place.given)}"


def newer(place: Place) -> UserError:
    """The message for a database schema that this MLflow does not know."""
    anew = f", or {ANEW}" if place.is_own else ""
    return UserError(
        f"{place.name} was made by a newer MLflow than {version('mlflow')}, which is here; pip install -U mlflow{anew}"
    )


def foreign(place: Place) -> UserError:
    """The message for a database of another program."""
    return UserError(f"{place.name} is a database of another program; set MLFLOW_TRACKING_URI to another one")


def no_answer(place: Place, error: BaseException) -> UserError:
    """The message for a server that does not answer, with the system's reason."""
    *_, last = _causes(error)
    reason = "in time" if isinstance(last, TimeoutError) else without_login(first_line(last), place.given)
    return UserError(f"{place.name} does not answer{' ' if reason == 'in time' else ': '}{reason}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its chain of causes, the first cause last."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
