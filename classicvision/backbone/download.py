"""Download networks: resumable, verified by SHA-256, and never visible half-written.

Bytes are written to ``NAME.onnx.part`` in the folder of networks. After a broken connection that file stays, and the
next request asks the server only for the rest (RFC 9110, section 14). The complete file is renamed only if it has the
SHA-256 of the registry. A lock keeps two processes from writing to the same file.
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

ATTEMPTS = 4  # connections in a row without progress before giving up
PAUSE = 0.5  # seconds before the second of them; doubled each time
WAIT = 0.1  # seconds between two checks whether another process is done

PathLike = str | os.PathLike[str]
Progress = Callable[[int, int], None]


def default_folder() -> Path:
    """Return the folder of downloaded networks: `backbones` in the user's cache folder (`default_cache_folder`)."""
    return default_cache_folder() / "backbones"


def is_offline() -> bool:
    """Tell whether CLASSICVISION_OFFLINE forbids downloads: the variable is set, and not to 0, no, false or off."""
    return os.environ.get("CLASSICVISION_OFFLINE", "").strip().lower() not in ("", "0", "no", "false", "off")


def locate(path_or_name: PathLike, folder: Path | None = None) -> Path:
    """Return the file of a network given by path or by name in the registry. Never downloads.

    Raises
    ------
    BackboneError
        If there is no such file and no such name, or the network has not been downloaded yet.
    """
    path = Path(path_or_name)
    if path.is_file():
        return path
    if path.suffix.lower() == ".onnx" or len(path.parts) > 1:
        raise BackboneError(f"there is no file {path}; check the path")
    entry = find(os.fspath(path_or_name))
    file = _file_of(entry, folder or default_folder())
    if not file.is_file():
        raise BackboneError(f"{file} does not exist; download it with `classicvision backbone pull {entry.name}`")
    return file


def pull(
    entry: Entry, folder: Path | None = None, *, offline: bool | None = None, progress: Progress | None = None
) -> Path:
    """Download a network unless it exists, verify its size and SHA-256, and return its path.

    Parameters
    ----------
    entry : Entry
        The network, from the registry.
    folder : Path, optional
        Where to store it, created if missing; by default `default_folder`.
    offline : bool, optional
        True never downloads: the file must exist. By default `is_offline`.
    progress : callable, optional
        Called with the number of bytes so far and the total.

    Raises
    ------
    BackboneError
        If the file does not exist and cannot be downloaded, or differs from the registry. A wrong file is deleted; a
        partial file stays, and the next call resumes it.
    """
    folder = folder or default_folder()
    file = _file_of(entry, folder)
    try:
        if file.is_file() and _matches(file, entry):
            return file
        if is_offline() if offline is None else offline:
            raise BackboneError(_missing_offline(entry, file))
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one(file.with_name(f"{file.name}.lock"), lambda: _report(progress, entry, file)):
            if not (file.is_file() and _matches(file, entry)):  # another process may have fetched it meanwhile
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


def _report(progress: Progress | None, entry: Entry, file: Path) -> None:
    """Report the progress of another process that downloads the same file."""
    if progress:
        progress(min(_size(_part_of(file)), entry.n_bytes), entry.n_bytes)


def _matches(file: Path, entry: Entry) -> bool:
    return file.stat().st_size == entry.n_bytes and file_sha256(file) == entry.sha256


def _fetch(entry: Entry, file: Path, progress: Progress | None) -> None:
    """Complete the partial file, verify it, and rename it."""
    part = _part_of(file)
    if _size(part) > entry.n_bytes:
        part.unlink()
    if _size(part) < entry.n_bytes:
        _fetch_with_patience(entry, part, progress)
    n_bytes, found = part.stat().st_size, file_sha256(part)
    if (n_bytes, found) != (entry.n_bytes, entry.sha256):
        part.unlink()
        raise BackboneError(
            f"{entry.url} is not {entry.name}: it sent {n_bytes:,} bytes with SHA-256 {found}, expected "
            f"{entry.n_bytes:,} bytes with {entry.sha256}. The download was deleted; try again. If it fails again, the "
            f"server's file has changed: copy one with that SHA-256 to {file}"
        )
    with part.open("r+b") as content:
        os.fsync(content.fileno())  # so that a power cut cannot leave the name without the content
    part.replace(file)


def _fetch_with_patience(entry: Entry, part: Path, progress: Progress | None) -> None:
    """Reconnect after broken connections, until too many in a row make no progress."""
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
                    "bytes are kept. Check the connection and run the same command again to resume"
                ) from error
            time.sleep(PAUSE * 2 ** (failures - 1))


@contextmanager
def _only_one(lock: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Wait until no other process fetches the same file. The lock file is kept: deleting it would race."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not try_lock(descriptor):
            waiting()
            time.sleep(WAIT)
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)


def _missing_offline(entry: Entry, file: Path) -> str:
    found = "is damaged" if file.is_file() else "does not exist"
    return (
        f"{file} {found}, and downloads are disabled (--offline or CLASSICVISION_OFFLINE). On a machine with internet "
        f"access run `classicvision backbone pull {entry.name}` or download {entry.url}, and copy the file there"
    )
