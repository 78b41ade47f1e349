"""Arrays on disk without pickle: archives for what is saved, blocks for the feature cache.

An archive is one uncompressed zip, ``manifest.json`` and ``arrays/<name>.npy``, which any zip tool and `numpy.load` can
open. The reader is stricter than they are: it computes from the manifest alone where every byte must lie, and accepts
only the file that `write_archive` would have written, to the byte. Compression, encryption, members that overlap, are
missing, extra or named twice, comments, 64-bit extensions, and bytes before, between or after are all the same mistake.

What is read is checked before anything is allocated, and every array is a read-only view of the bytes that were read,
so no header can ask for more memory than the data itself takes.
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
