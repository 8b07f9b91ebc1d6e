"""Servers on loopback that take a connection and then do as they like, for tests of who waits for them."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Talk = Callable[[socket.socket], None]


@contextmanager
def standing_in(talk: Talk) -> Iterator[int]:
    """A port of 127.0.0.1 where `talk` has a thread for every connection, until this ends."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(connection: socket.socket) -> None:
            with suppress(OSError):
                talk(connection)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    held.append(server.accept()[0])
                    threading.Thread(target=answer, args=held[-1:], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        for connection in held:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def silent(connection: socket.socket) -> None:
    """Takes what is said and never answers."""
    while connection.recv(4096):
        pass


def saying(*words: bytes) -> Talk:
    """Says that at once and goes on listening."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(b"".join(words))
        silent(connection)

    return talk


def closing(connection: socket.socket) -> None:
    """Hangs up."""
    connection.shutdown(socket.SHUT_RDWR)


def serving(reply: Callable[[bytes], bytes]) -> Talk:
    """An HTTP server whose whole replies are `reply` of the request's head."""

    def talk(connection: socket.socket) -> None:
        head = b""
        while more := connection.recv(4096):
            head += more
            if b"\r\n\r\n" in head:
                connection.sendall(reply(head))
                closing(connection)
                return

    return talk


def page(status: str, body: bytes = b"{}", kind: str = "application/json") -> bytes:
    """A whole reply of HTTP."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
