"""One request over HTTP for the bytes of a file that are not there yet."""

from __future__ import annotations

import re
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classicvision._version import __version__
from classicvision.errors import BackboneError

if TYPE_CHECKING:
    from http.client import HTTPResponse

__all__ = ["TransferError", "fetch_rest"]

TIMEOUT = 30.0  # seconds without a byte
BLOCK = 1 << 18  # bytes read at a time

_BUSY = {408, 425, 429, 500, 502, 503, 504}  # the server asks for patience
_NO_SUCH_RANGE = 416


class TransferError(Exception):
    """The connection failed in a way that may pass; what had come is in the file."""


def fetch_rest(url: str, part: Path, n_bytes: int, progress: Callable[[int, int], None] | None = None) -> None:
    """Fetch what is missing of a file of known size.

    Parameters
    ----------
    url : str
        http or https; redirections are followed.
    part : Path
        Where it goes. Bytes that are there are not asked for again; a server that sends the whole file all the same is
        listened to from the first byte on.
    n_bytes : int
        Size of the whole file.
    progress : callable, optional
        Told the bytes that are there and their total.

    Raises
    ------
    BackboneError
        If the server has no such file, or one of another size.
    TransferError
        If it may be otherwise the next time.
    """
    start = part.stat().st_size if part.is_file() else 0
    response = _open(url, start)
    if response is None:  # the server knows nothing behind `start`; so what is there is of another file
        part.unlink()
        raise TransferError("the server's file ends before the part that was there; it was deleted")
    with response:
        start = _first_byte(response, start, n_bytes)
        with part.open("ab" if start else "wb") as file:
            _copy(response, file, start, n_bytes, progress)


def _open(url: str, start: int) -> HTTPResponse | None:
    """Ask for a file from a byte on; None if the server says that there is nothing."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    if not url.startswith(("https://", "http://")):
        raise BackboneError(f"{url} is no address to fetch from; it must begin with https:// or http://")
    headers = {"User-Agent": f"classicvision/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=TIMEOUT)  # noqa: S310
    except HTTPError as error:
        error.close()
        if error.code == _NO_SUCH_RANGE:
            return None
        if error.code in _BUSY:
            raise TransferError(f"the server answered {error.code} {error.reason}") from error
        raise BackboneError(
            f"the server answered {error.code} {error.reason} for {url}; the file may have moved: fetch it by other "
            "means, and name its path instead of its name"
        ) from error
    except (URLError, HTTPException, OSError) as error:
        raise TransferError(str(getattr(error, "reason", error)) or type(error).__name__) from error
    return response


def _first_byte(response: HTTPResponse, asked: int, n_bytes: int) -> int:
    """Return where in the file the answer begins; an answer about a file of another size is an error."""
    first, total = 0, response.length
    if response.status == 206:
        place = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if place is None or int(place[1]) != asked:
            raise BackboneError(f"the server's answer for {response.url} does not say which bytes it sends")
        first, total = asked, None if place[2] == "*" else int(place[2])
    if total is not None and total != n_bytes:
        raise BackboneError(
            f"{response.url} has {total:,} bytes; {n_bytes:,} were expected, so it is another file and was not fetched"
        )
    return first


def _copy(
    response: HTTPResponse, file: Any, n_done: int, n_bytes: int, progress: Callable[[int, int], None] | None
) -> None:
    """Write what comes, at most one block more than was promised."""
    while n_done <= n_bytes:
        try:
            block = response.read1(BLOCK)
        except (HTTPException, OSError) as error:
            raise TransferError(str(error) or type(error).__name__) from error
        if not block:
            break
        file.write(block)
        n_done += len(block)
        if progress:
            progress(min(n_done, n_bytes), n_bytes)
    if n_done < n_bytes:
        raise TransferError("the connection ended early")
