"""What one answer may take of us: a remote may pack gigabytes into a few kilobytes."""

from __future__ import annotations

import zlib

#: The largest page that was seen of either service is below 5 MB, a job's ``run_results.json`` below 20.
LONGEST_BODY = 32 * 2**20
#: Not "deflate", for which servers send two different things.
ACCEPT_ENCODING = "gzip"
CHUNK = 2**16
#: For zlib: 32 and the largest window, a gzip or a zlib header, whichever is there.
_ANY_HEADER = 32 + 15


class Unreadable(Exception):
    """An answer that is longer than what is read of any, or cannot be unpacked."""


class Body:
    """The body of an answer while it comes in, unpacked no further than it may be long.

    :param encoding: the answer's ``Content-Encoding``.
    :param longest: bytes, unpacked.
    """

    def __init__(self, encoding: str | None, longest: int | None = None) -> None:
        packed = (encoding or "").strip().lower()
        is_packed = packed in ("gzip", "x-gzip", "deflate")
        self._unpacker = zlib.decompressobj(_ANY_HEADER) if is_packed else None
        self._parts: list[bytes] = []
        self._left = self._longest = longest or LONGEST_BODY

    def add(self, data: bytes) -> None:
        """Take what has come.

        :raises Unreadable: it is too long by now, or is not packed as the answer says.
        """
        if self._unpacker is None:
            self._keep(data)
        while self._unpacker is not None and data:
            try:
                self._keep(self._unpacker.decompress(data, self._left + 1))
            except zlib.error as err:
                raise Unreadable(f"a body that cannot be unpacked ({err})") from err
            # A packed body may be several, one after the other.
            data = self._unpacker.unused_data
            if data:
                self._unpacker = zlib.decompressobj(_ANY_HEADER)

    def _keep(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise Unreadable(f"more than {self._longest / 2**20:.0f} MB, which is not read")
        self._parts.append(data)

    def text(self) -> str:
        """What has come, as UTF-8: without a charset it would be taken for Latin-1, or guessed."""
        return b"".join(self._parts).decode(errors="replace")
