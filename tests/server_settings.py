"""The server's own settings with secrets made up for tests, over SQLite in a file or over a real PostgreSQL.

`ROLLBOOK_TEST_DATABASE=postgresql` starts a server for this process, which ends with it. Tests run once on each.
"""

from __future__ import annotations

import atexit
import os
import tempfile

from .postgres import HOW_TO_GET_IT, PostgresMissingError, server

KIND = os.environ.get("ROLLBOOK_TEST_DATABASE", "sqlite")
FOLDER = tempfile.TemporaryDirectory(prefix="rollbook-tests-")
atexit.register(FOLDER.cleanup)

MISSING = ""
"""Why there is no database, in words."""

os.environ["ROLLBOOK_SECRET_KEY"] = "tests-sign-with-this-and-nobody-else-does"  # noqa: S105 - made up
os.environ["ROLLBOOK_DIGEST_KEY"] = "tests-recognise-erased-people-by-this-key"
os.environ["ROLLBOOK_TLS"] = "false"
os.environ["ROLLBOOK_ALLOWED_HOSTS"] = "localhost,127.0.0.1,testserver"
os.environ["DATABASE_URL"] = f"sqlite:///{FOLDER.name}/rollbook.db"
if KIND == "postgresql":
    try:
        running = server()
        urls = running.__enter__()
    except PostgresMissingError as error:
        MISSING = f"{HOW_TO_GET_IT}\n{error}".strip()
    else:
        atexit.register(running.__exit__, None, None, None)
        os.environ["DATABASE_URL"] = urls.format(name="postgres")

from rollbook.server.settings import *  # noqa: E402, F403 - the environment comes first
from rollbook.server.settings import DATABASES  # noqa: E402

if KIND == "sqlite":
    # In memory nothing would be as it is on a disk: locks, files, threads.
    DATABASES["default"]["TEST"] = {"NAME": f"{FOLDER.name}/test.db"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
