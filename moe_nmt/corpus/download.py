"""Downloads a file: tried again after a failure, and in its place only when complete."""

from __future__ import annotations

import http.client
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from moe_nmt.corpus.files import written_whole

ATTEMPTS = 4
FIRST_WAIT = 1.0  # seconds, doubled after every failure
TIMEOUT = 60.0  # seconds without a byte
TOO_MANY_REQUESTS = 429


def download(url: str, path: Path) -> None:
    """Downloads ``url`` to ``path``."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with written_whole(path) as temporary:
                receive(url, temporary)
            return
        except DownloadError as failure:
            if failure.is_final or attempt == ATTEMPTS:
                raise SystemExit(
                    f"moe_nmt: cannot download {url}: {failure}; check the connection, "
                    "or download it elsewhere and name its folder with --raw"
                ) from failure
            wait = FIRST_WAIT * 2 ** (attempt - 1)
            print(f"{url}: {failure}; trying again in {wait:g} s", file=sys.stderr, flush=True)
            time.sleep(wait)


class DownloadError(Exception):
    """Why an attempt failed, and whether another one is of no use."""

    def __init__(self, reason: str, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


def receive(url: str, path: Path) -> None:
    """One attempt."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            length = answer.headers["Content-Length"]
            with path.open("wb") as file:
                shutil.copyfileobj(answer, file)
    except urllib.error.HTTPError as error:
        refused = 400 <= error.code < 500 and error.code != TOO_MANY_REQUESTS
        raise DownloadError(f"the server answered {error.code} {error.reason}", refused) from error
    except urllib.error.URLError as error:
        raise DownloadError(str(error.reason)) from error
    except ValueError as error:
        raise DownloadError("that is no address", is_final=True) from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise DownloadError(f"the connection broke ({type(error).__name__})") from error
    # The end of a cut connection looks like the end of the file.
    if length is not None and path.stat().st_size != int(length):
        raise DownloadError(f"only {path.stat().st_size} of {length} bytes came")
