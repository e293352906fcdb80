"""SHA-256 of files, computed again only where a file may have changed.

A file is taken for unchanged when its size, inode and both times are those of the last look.  The
time of a file's last change cannot be set back by a program, but it is coarse: a file that had just
changed when it was hashed is hashed again the next time.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

from moe_nmt.errors import UserError
from moe_nmt.files.text import write_text

COARSE = 2.0  # seconds


def sha256(path: Path) -> str:
    """The hash of a file's bytes as they are, compressed or not."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Hashes:
    """Remembers hashes in a file."""

    def __init__(self, memory: Path) -> None:
        self.memory = memory
        self.known: dict[str, list[object]] = {}
        try:
            known = json.loads(memory.read_text(encoding="utf-8"))
            self.known = known if isinstance(known, dict) else {}
        except (OSError, ValueError):
            pass  # it is only a memory

    def of(self, path: Path) -> str:
        """The hash of a file."""
        try:
            stat = path.stat()
            state = [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
            match self.known.get(str(path)):
                case [*old, str(digest)] if old == state:
                    return digest
            now = time.time()
            digest = sha256(path)
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from error
        if now - stat.st_ctime > COARSE:
            self.known[str(path)] = [*state, digest]
            write_text(self.memory, json.dumps(self.known))
        return digest
