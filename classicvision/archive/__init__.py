"""Arrays on disk without pickle: archives for models and indexes, blocks for the feature cache.

An archive is an uncompressed zip of ``manifest.json`` and ``arrays/<name>.npy``, which any zip tool and `numpy.load`
can open. The reader is stricter: it computes the position of every byte from the manifest alone, and accepts only the
exact file that `write_archive` would have written. Compression, encryption, overlapping, missing, extra or duplicate
members, comments, 64-bit extensions, and bytes before, between or after the members are all rejected by that one rule.

Sizes are checked before anything is allocated, and every array is a read-only view of the bytes read, so no header can
make the reader allocate more memory than the data takes.
"""

from classicvision.archive.block import pack_arrays, unpack_arrays
from classicvision.archive.file import (
    DEFAULT_MAX_BYTES,
    FORMAT_VERSION,
    Archive,
    parse_archive,
    read_archive,
    write_archive,
)

__all__ = [
    "DEFAULT_MAX_BYTES",
    "FORMAT_VERSION",
    "Archive",
    "pack_arrays",
    "parse_archive",
    "read_archive",
    "unpack_arrays",
    "write_archive",
]
