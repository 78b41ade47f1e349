"""Fetching a network: resumed where it was broken off, checked against its SHA-256, and never half there.

What arrives goes to ``NAME.onnx.part`` in the folder of networks. A broken connection leaves that file, and the next
request asks the server for the rest only (RFC 9110, section 14). When all bytes are there they are compared with the
registry's SHA-256; only then the file gets its name. A lock keeps two processes from writing to one part.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from classicvision.backbone.registry import Entry, find
from classicvision.backbone.transfer import TransferError, fetch_rest
from classicvision.cache import default_cache_folder
from classicvision.errors import BackboneError
from classicvision.locks import try_lock

__all__ = ["default_folder", "file_sha256", "is_offline", "locate", "pull"]

ATTEMPTS = 4  # connections in a row that may bring nothing new
PAUSE = 0.5  # seconds before the second of them; doubled each time
WAIT = 0.1  # seconds between two looks whether another process is done

PathLike = str | os.PathLike[str]
Progress = Callable[[int, int], None]


def default_folder() -> Path:
    """Return where fetched networks are kept: `backbones` in the user's cache folder (`default_cache_folder`)."""
    return default_cache_folder() / "backbones"


def is_offline() -> bool:
    """Tell whether the environment variable CLASSICVISION_OFFLINE forbids the network: set, and neither 0 nor no."""
    return os.environ.get("CLASSICVISION_OFFLINE", "").strip().lower() not in ("", "0", "no", "false", "off")


def locate(path_or_name: PathLike, folder: Path | None = None) -> Path:
    """Return the file of a network that is given as a path, or by a name of the registry. Never uses the network.

    Raises
    ------
    BackboneError
        If there is neither such a file nor such a name, or the name was not fetched yet.
    """
    path = Path(path_or_name)
    if path.is_file():
        return path
    if path.suffix.lower() == ".onnx" or len(path.parts) > 1:
        raise BackboneError(f"there is no file {path}; check the path")
    entry = find(os.fspath(path_or_name))
    file = _file_of(entry, folder or default_folder())
    if not file.is_file():
        raise BackboneError(f"{entry.name} is not at {file}; fetch it with `classicvision backbone pull {entry.name}`")
    return file


def pull(
    entry: Entry, folder: Path | None = None, *, offline: bool | None = None, progress: Progress | None = None
) -> Path:
    """Fetch a network unless it is there, and return its file, whose size and SHA-256 were compared.

    Parameters
    ----------
    entry : Entry
    folder : Path, optional
        Made if missing; by default `default_folder`.
    offline : bool, optional
        Only look whether it is there; by default as `is_offline` says.
    progress : callable, optional
        Told the bytes that are there and their total.

    Raises
    ------
    BackboneError
        If it is not there and cannot be fetched, or what came is not what the registry promises; a wrong file is
        removed, a part of a file is kept for the next time.
    """
    folder = folder or default_folder()
    file = _file_of(entry, folder)
    try:
        if file.is_file() and _matches(file, entry):
            return file
        if is_offline() if offline is None else offline:
            raise BackboneError(_absent_offline(entry, file))
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one(file.with_name(f"{file.name}.lock"), lambda: _tell(progress, entry, file)):
            if not (file.is_file() and _matches(file, entry)):  # another process was quicker
                _fetch(entry, file, progress)
    except OSError as error:
        raise BackboneError(f"{file} cannot be written ({error.strerror or error}); choose another folder") from error
    return file


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file_of(entry: Entry, folder: Path) -> Path:
    return folder / f"{entry.name}.onnx"


def _part_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.part")


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _tell(progress: Progress | None, entry: Entry, file: Path) -> None:
    """Tell how far another process is."""
    if progress:
        progress(min(_size(_part_of(file)), entry.n_bytes), entry.n_bytes)


def _matches(file: Path, entry: Entry) -> bool:
    return file.stat().st_size == entry.n_bytes and file_sha256(file) == entry.sha256


def _fetch(entry: Entry, file: Path, progress: Progress | None) -> None:
    """Fetch what is missing of the part, compare it, and give it its name."""
    part = _part_of(file)
    if _size(part) > entry.n_bytes:
        part.unlink()
    if _size(part) < entry.n_bytes:
        _fetch_with_patience(entry, part, progress)
    n_bytes, found = part.stat().st_size, file_sha256(part)
    if (n_bytes, found) != (entry.n_bytes, entry.sha256):
        part.unlink()
        raise BackboneError(
            f"what {entry.url} sent is not {entry.name}: {n_bytes:,} bytes with SHA-256 {found}, expected "
            f"{entry.n_bytes:,} bytes with {entry.sha256}. It was deleted; try once more, and if it is the same again, "
            f"the file has changed there: put one with that SHA-256 at {file}"
        )
    with part.open("r+b") as content:
        os.fsync(content.fileno())  # a power cut may not leave the name without the content
    part.replace(file)


def _fetch_with_patience(entry: Entry, part: Path, progress: Progress | None) -> None:
    """Go on after broken connections, as long as they bring something now and then."""
    failures = 0
    while True:
        before = _size(part)
        try:
            return fetch_rest(entry.url, part, entry.n_bytes, progress)
        except TransferError as error:
            after = _size(part)
            failures = 1 if after > before else failures + 1
            if failures == ATTEMPTS:
                raise BackboneError(
                    f"{entry.name} could not be fetched from {entry.url}: {error}. {after:,} of {entry.n_bytes:,} "
                    "bytes are kept, and the same command goes on from there; check the connection"
                ) from error
            time.sleep(PAUSE * 2 ** (failures - 1))


@contextmanager
def _only_one(lock: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Wait until no other process fetches the same file. The file of the lock stays: removing it would race."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not try_lock(descriptor):
            waiting()
            time.sleep(WAIT)
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)


def _absent_offline(entry: Entry, file: Path) -> str:
    found = "is damaged" if file.is_file() else "is not there"
    return (
        f"{file} {found}, and fetching is switched off (--offline or CLASSICVISION_OFFLINE). Fetch it where there is "
        f"a network with `classicvision backbone pull {entry.name}`, or from {entry.url}, and put it there"
    )
