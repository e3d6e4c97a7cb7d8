"""The entropy-coded form of an .intq file: one Zstandard frame around the whole of it (the last stage of deep compression, Han et al. 2016,
arXiv:1510.00149, with Zstandard's finite-state entropy in place of Huffman codes). What the frame may grow to is limited before it is read."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import FormatError, InputError, UnsupportedError
from .extras import missing

MAGIC = b"\x28\xb5\x2f\xfd"
LEVEL = 19
ROOM, GROWTH = 16 << 20, 16  # bytes that any file may become, and bytes more per byte of the file


def library() -> Any:
    try:
        return importlib.import_module("zstandard")
    except ImportError as error:
        raise UnsupportedError(f"compression: {missing(error, 'zstandard')}") from None


def compress(data: bytes, compression: str | None) -> bytes:
    """`compression`: "zstd", or None for the bytes as they are. Raises `InputError` for another, `UnsupportedError` without the library."""
    if compression is None:
        return data
    if compression != "zstd":
        raise InputError(f'compression {compression!r} is unknown; there is "zstd"')
    found = bytes(library().ZstdCompressor(level=LEVEL, write_checksum=True).compress(data))
    if len(data) > limit(found):
        raise InputError(f"a file of {len(data):,} bytes would shrink to {len(found):,}, more than a reader accepts; save it without compression")
    return found


def limit(data: bytes) -> int:
    return ROOM + GROWTH * len(data)


def decompress(data: bytes) -> bytes:
    """The bytes of a file in either form. Raises `FormatError` for a broken frame, or one that grows beyond the limit."""
    if data[:4] != MAGIC:
        return data
    zstandard, most = library(), limit(data)
    try:
        stated = zstandard.frame_content_size(data)
        if stated > most:
            raise FormatError(f"the compressed file says that it becomes {stated:,} bytes; {len(data):,} may become {most:,}")
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data)
        parts, total = [], 0
        while part := reader.read(1 << 20):
            total += len(part)
            if total > most:
                raise FormatError(f"the compressed file becomes more than {most:,} bytes, the limit for {len(data):,}")
            parts.append(part)
    except (zstandard.ZstdError, MemoryError) as error:
        raise FormatError(f"the compressed file is broken: {error}") from None
    return b"".join(parts)
