"""What can go wrong with a cluster. Apart from what talks to it, as that takes long to import."""

from __future__ import annotations

import enum


class Kind(enum.StrEnum):
    """What went wrong, for programs."""

    ABSENT = "absent"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


class Trouble(Exception):
    """Something that the cluster does not have, does not allow, or does not do; the message says what to do about it."""

    def __init__(self, kind: Kind, message: str) -> None:
        self.kind = kind
        super().__init__(message)
