"""Addresses of servers and databases: asked with bounded patience, and shown without the user and password in them."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar
from urllib.parse import unquote

Answer = TypeVar("Answer")

SCHEME = re.compile(r"^\w[\w+.-]*://")
LOGIN = re.compile(r"://(?!/)\S*@")
OPTION = re.compile(r"(?i)((?:user\w*|pass\w*|pwd|token|secret)(?:=|%3d))[^&;\s]+")


def masked(address: str) -> str:
    """The address with `***` for its user and password."""
    place = SCHEME.sub("", address)
    if "@" in place and not place.startswith(("/", ".")):
        address = f"{address.removesuffix(place)}***@{place.rpartition('@')[2]}"
    return OPTION.sub(r"\1***", address)


def without_login(text: str, address: str = "") -> str:
    """The text of another program with `***` for users and passwords in addresses, and for those of `address`."""
    if address:
        text = text.replace(address, masked(address))
    for word in sorted(_words(address), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "***", text)
    return OPTION.sub(r"\1***", LOGIN.sub("://***@", text))


def within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """The result of `ask`. Raises TimeoutError after a time, and abandons the call."""
    outcome: Future[Answer] = Future()

    def work() -> None:
        try:
            outcome.set_result(ask())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return outcome.result(timeout=seconds)


def _words(address: str) -> set[str]:
    """The user and the password, and the pieces into which an @, : or / within it cuts the password."""
    place = SCHEME.sub("", address)
    login = "" if place.startswith("/") else place.rpartition("@")[0]
    whole = {login, *login.split(":", 1), *re.split(r"[@:/?#\s]", login)}
    return {word for one in whole for word in (one, unquote(one)) if word}
