"""Packages that only an extra of setup.py brings: imported where used; where one lacks, the extra is named."""

from importlib import import_module
from types import ModuleType

from pivl.errors import UserError, explain


class MissingExtra(UserError):
    """A package of an extra that cannot be imported; `advice` is the command that installs it."""

    def __init__(self, purpose: str, lack: str, extra: str) -> None:
        super().__init__(purpose, lack, extra)
        self.advice = f"pip install 'pivl-bench[{extra}]'"

    def __str__(self) -> str:
        purpose, lack, _ = self.args
        return f"{purpose} needs {lack}; {self.advice}"


def need(package: str, extra: str, purpose: str) -> ModuleType:
    """Imports and returns a package for `purpose`. Raises MissingExtra where it is absent or cannot be loaded."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            purpose, f"the package {error.name or package}, which is not installed", extra
        ) from error
    except ImportError as error:
        raise MissingExtra(
            purpose, f"the package {package}, which cannot be loaded ({explain(error)})", extra
        ) from error
