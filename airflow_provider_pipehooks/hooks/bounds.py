"""What one answer may take of us: a remote may pack gigabytes into a few kilobytes."""

from __future__ import annotations

import zlib

#: The largest page that was seen of either service is below 5 MB, a job's ``run_results.json`` below 20.
LONGEST_BODY = 32 * 2**20
#: What :class:`Body` can unpack.
ACCEPT_ENCODING = "gzip, deflate"
CHUNK = 2**16


class Unreadable(Exception):
    """An answer that is longer than what is read of any, or cannot be unpacked."""


class Body:
    """The body of an answer while it comes in, unpacked no further than it may be long.

    :param encoding: the answer's ``Content-Encoding``.
    """

    def __init__(self, encoding: str | None) -> None:
        packed = (encoding or "").strip().lower()
        # 32 + 15: a gzip or a zlib header, whichever is there.
        self._unpacker = zlib.decompressobj(47) if packed in ("gzip", "x-gzip", "deflate") else None
        self._parts: list[bytes] = []
        self._left = LONGEST_BODY

    def add(self, data: bytes) -> None:
        """Take what has come.

        :raises Unreadable: it is too long by now, or is not packed as the answer says.
        """
        if self._unpacker is not None:
            try:
                data = self._unpacker.decompress(data, self._left + 1)
            except zlib.error as err:
                raise Unreadable(f"a body that cannot be unpacked ({err})") from err
        self._left -= len(data)
        if self._left < 0:
            raise Unreadable(f"more than {LONGEST_BODY / 2**20:.0f} MB, which is not read")
        self._parts.append(data)

    def text(self) -> str:
        """What has come, as UTF-8: without a charset it would be taken for Latin-1, or guessed."""
        return b"".join(self._parts).decode(errors="replace")
