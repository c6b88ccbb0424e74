"""The texts of alerts as files that a person reads: what differs from one run to the next is made alike.

``PIPEHOOKS_WRITE_GOLDEN=1 python -m pytest tests/notifications`` writes them anew; read ``git diff`` then.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol

FOLDER = Path(__file__).with_name("golden")
_ALIKE = (
    (r"127\.0\.0\.1:\d+|localhost:\d+", "HOST"),
    (r"\d{4}-\d\d-\d\d([T ])\d\d(:|%3A)\d\d(:|%3A)\d\d(\.\d+)?", r"2026-01-01\g<1>00\g<2>00\g<3>00"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "00000000-0000-0000-0000-000000000000"),
    (r"(?<=Update )[0-9a-f]{6}\b", "000000"),
    (r"(?<=Alert id: )[0-9a-f]{16}", 16 * "0"),
    (r"/\S*/(?=target/|models/|tests/|project/)", "/"),
)


class Sent(Protocol):
    """A message."""

    @property
    def subject(self) -> str | None: ...

    @property
    def text(self) -> str: ...


def text_of(message: Sent, *, made_alike: bool = False) -> str:
    """A message as text.

    :param made_alike: but for ids, times and addresses, which another run has others of.
    """
    text = f"Subject: {message.subject}\n\n{message.text}"
    for pattern, shown in _ALIKE if made_alike else ():
        text = re.sub(pattern, shown, text)
    return text


def golden(name: str, text: str) -> str:
    """What the file says; the text is written into it first, where that is asked for."""
    path = FOLDER / name
    if os.environ.get("PIPEHOOKS_WRITE_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        path.write_text(text)
    return path.read_text()
