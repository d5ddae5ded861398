"""Secrets of a server: made by the operating system's randomness, as lines of an environment file."""

from __future__ import annotations

import secrets

NAMES = {
    "ROLLBOOK_SECRET_KEY": "signs sessions; changing it signs everybody out",
    "ROLLBOOK_DIGEST_KEY": "recognises learners whose names were erased; keep a copy, it must never change",
}
SECRET_BYTES = 48
"""64 characters of URL-safe base64: nothing that a shell or systemd would read as more than itself."""


def lines() -> str:
    """New secrets, one `NAME=value` a line."""
    return "".join(f"{name}={secrets.token_urlsafe(SECRET_BYTES)}\n" for name in NAMES)
