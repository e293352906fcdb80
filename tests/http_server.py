"""An HTTP server on this machine that fails as real ones do."""

from __future__ import annotations

import re
import socket
import struct
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

FAULTS = ("503", "cut", "wrong bytes", "no ranges", "wrong range", "other size", "reset")


@dataclass
class Server:
    """Its address, what will go wrong with the next requests for a path, and what was asked."""

    address: str
    folder: Path
    faults: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, range

    def asked(self, path: str) -> list[str | None]:
        """The ranges of the requests for a path."""
        return [asked for name, asked in self.requests if name == path]


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Serves a folder, with ranges."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, asked = self.path.removeprefix("/"), self.headers["Range"]
            server.requests.append((name, asked))
            faults = server.faults[name]
            fault = faults.pop(0) if faults else None
            assert fault is None or fault in FAULTS
            if not (folder / name).is_file():
                self.send_error(404)
            elif fault == "503":
                self.send_error(503)
            elif fault == "reset":  # no answer at all
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
            else:
                self.answer((folder / name).read_bytes(), asked, fault)

        def answer(self, whole: bytes, asked: str | None, fault: str | None) -> None:
            begin = 0
            if asked and fault != "no ranges":
                match = re.fullmatch(r"bytes=(\d+)-", asked)
                assert match is not None
                begin = int(match[1])
                if begin >= len(whole):
                    self.send_error(416)
                    return
                if fault == "wrong range":
                    begin //= 2
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{len(whole) - 1}/{len(whole)}")
            else:
                self.send_response(200)
            body = whole[begin:]
            if fault == "wrong bytes":
                body = body[:-1] + bytes([body[-1] ^ 1])
            if fault == "other size":
                body += b"more"
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = Server(f"http://127.0.0.1:{http.server_address[1]}", folder)
        thread = Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
