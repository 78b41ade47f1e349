"""One HTTP request for the missing bytes of a file."""

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

_BUSY = {408, 425, 429, 500, 502, 503, 504}  # temporary failures of a server, worth another attempt
_NO_SUCH_RANGE = 416


class TransferError(Exception):
    """The transfer failed, perhaps temporarily; the bytes received so far are in the file."""


def fetch_rest(url: str, part: Path, n_bytes: int, progress: Callable[[int, int], None] | None = None) -> None:
    """Download the missing bytes of a file of known size.

    Parameters
    ----------
    url : str
        http or https; redirects are followed.
    part : Path
        The partial file. Only the bytes after its end are requested; if the server sends the whole file anyway, it is
        overwritten from the start.
    n_bytes : int
        Size of the complete file.
    progress : callable, optional
        Called with the number of bytes so far and the total.

    Raises
    ------
    BackboneError
        If the server does not have the file, or has one of another size.
    TransferError
        If another attempt may succeed.
    """
    start = part.stat().st_size if part.is_file() else 0
    response = _open(url, start)
    if response is None:  # the server's file ends before `start`, so the partial file is of another one
        part.unlink()
        raise TransferError("the server's file is shorter than the partial download, which was deleted")
    with response:
        start = _first_byte(response, start, n_bytes)
        with part.open("ab" if start else "wb") as file:
            _copy(response, file, start, n_bytes, progress)


def _open(url: str, start: int) -> HTTPResponse | None:
    """Request a file from a byte on; None if the server's file has no bytes from there on."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    if not url.startswith(("https://", "http://")):
        raise BackboneError(f"{url} is not a URL to download from; it must begin with https:// or http://")
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
            f"the server answered {error.code} {error.reason} for {url}; the file may have moved. Download it by other "
            "means and pass its path"
        ) from error
    except (URLError, HTTPException, OSError) as error:
        raise TransferError(str(getattr(error, "reason", error)) or type(error).__name__) from error
    return response


def _first_byte(response: HTTPResponse, requested: int, n_bytes: int) -> int:
    """Return the offset in the file at which the response begins; an error if the file has another size."""
    first, total = 0, response.length
    if response.status == 206:
        place = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if place is None or int(place[1]) != requested:
            raise BackboneError(
                f"the server sent other bytes of {response.url} than requested (from {requested:,} on); download the "
                "file by other means and pass its path"
            )
        first, total = requested, None if place[2] == "*" else int(place[2])
    if total is not None and total != n_bytes:
        raise BackboneError(
            f"{response.url} has {total:,} bytes, expected {n_bytes:,}: it is another file and was not downloaded"
        )
    return first


def _copy(
    response: HTTPResponse, file: Any, n_done: int, n_bytes: int, progress: Callable[[int, int], None] | None
) -> None:
    """Write the body of the response to the file, stopping one block after the expected end."""
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
