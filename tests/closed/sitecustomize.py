"""Closes the network of every Python that finds this file on its path: of the test run, and of what it starts."""

import socket


def refuse(self: socket.socket, address: object, *_: object) -> None:
    """In place of connecting: only sockets that are files of this machine may."""
    if self.family != getattr(socket, "AF_UNIX", None):
        raise RuntimeError(f"the test suite runs with the network closed, and something connects to {address!r}.")
    return connect(self, address)  # type: ignore[arg-type]


def no_names(host: object, *_: object, **__: object) -> None:
    """In place of looking a host up."""
    raise RuntimeError(f"the test suite runs with the network closed, and something looks up {host!r}.")


connect = socket.socket.connect
socket.socket.connect = refuse  # type: ignore[method-assign, assignment]
socket.socket.connect_ex = refuse  # type: ignore[method-assign, assignment]
socket.getaddrinfo = no_names  # type: ignore[assignment]
