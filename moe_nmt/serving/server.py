"""Runs the application, on one address."""

from __future__ import annotations

import socket

import uvicorn
from starlette.applications import Starlette

from moe_nmt.errors import UserError, reason_of

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def hosts_of(host: str) -> tuple[str, ...]:
    """The names that a server bound to ``host`` answers to.

    A name that leads to this machine's own address may be anybody's; one from outside cannot be
    known here.
    """
    return LOOPBACK if host in LOOPBACK else ("*",)


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound; nobody can connect before it is served.

    Raises:
        UserError: the address is taken, or not this machine's.
    """
    if not host:
        raise UserError("--host is empty: name an address of this machine, 0.0.0.0 for all of them")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        return listener
    except (OSError, OverflowError) as error:
        raise UserError(
            f"cannot listen on {host} port {port}: {reason_of(error)}; name another"
        ) from error


def serve(app: Starlette, listener: socket.socket) -> None:
    """Answers until SIGINT or SIGTERM; what was begun is ended first."""
    listener.listen()
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    print(f"moe_nmt: listening on http://{name}:{port}", flush=True)
    config = uvicorn.Config(app, log_level="warning", server_header=False)
    uvicorn.Server(config).run(sockets=[listener])
