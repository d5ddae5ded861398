"""Every setting of the server: its name in the environment, what it is without one, and what it is for.

Secrets come from the environment alone. Nothing here is read again while the server runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from rollbook.errors import Problem, RollbookError


class ConfigurationError(RollbookError):
    """The environment does not say what the server needs, or says it wrongly."""

    code = "configuration"


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable of the environment. `kind` is text, number, flag or list (by commas); a number has bounds."""

    name: str
    default: str
    help: str
    kind: str = "text"
    least: int = 0
    most: int = 10**9


SETTINGS = (
    Setting("DATABASE_URL", "sqlite:///rollbook.db", "where everything is kept: sqlite:///FILE or postgresql://…"),
    Setting("ROLLBOOK_SECRET_KEY", "", "signs sessions; at least 32 characters; changing it signs everybody out"),
    Setting("ROLLBOOK_DIGEST_KEY", "", "recognises learners whose names were erased; must never change"),
    Setting("ROLLBOOK_ALLOWED_HOSTS", "localhost,127.0.0.1", "host names that the server answers to", "list"),
    Setting(
        "ROLLBOOK_BASE_URL", "http://localhost:8000", "how people reach it: links begin so; serve --port has its own"
    ),
    Setting("ROLLBOOK_TRUSTED_PROXIES", "0", "proxies before it that set X-Forwarded-For", "number", 0, 5),
    Setting("ROLLBOOK_TLS", "true", "whether people come over HTTPS: cookies and redirects ask for it", "flag"),
    Setting("ROLLBOOK_HSTS_DAYS", "30", "how long browsers insist on HTTPS for this host (HSTS)", "number", 0, 730),
    Setting("ROLLBOOK_HSTS_SUBDOMAINS", "false", "whether they insist on it for all hosts below it, too", "flag"),
    Setting("ROLLBOOK_HSTS_PRELOAD", "false", "whether they may be delivered insisting: see security.md", "flag"),
    Setting("ROLLBOOK_EMAIL_URL", "", "how mail is sent: smtp://user:password@host:587, or nothing for files"),
    Setting("ROLLBOOK_EMAIL_FROM", "rollbook@localhost", "the sender of mail"),
    Setting("ROLLBOOK_WEBHOOKS_PRIVATE", "false", "whether webhooks may go inside the network and without TLS", "flag"),
    Setting("ROLLBOOK_BATCH_FACTS_MAX", "10000", "facts in one call", "number", 1, 100_000),
    Setting("ROLLBOOK_BODY_MIB_MAX", "32", "size of one call, after it is unpacked", "number", 1, 1024),
    Setting("ROLLBOOK_RATE_PER_MINUTE", "6000", "calls of one API key in a minute", "number", 1, 10**6),
    Setting("ROLLBOOK_USER_RATE_PER_MINUTE", "600", "calls of one person in a minute", "number", 10, 10**5),
    Setting("ROLLBOOK_CLOCK_AHEAD_SECONDS", "300", "how far ahead a fact may lie and count", "number", 0, 86_400),
    Setting("ROLLBOOK_WAIT_DAYS", "90", "days that facts wait for an unknown organisation", "number", 1, 3650),
    Setting("ROLLBOOK_ARCHIVE", "", "a folder that facts of closed windows move to; unset, they stay in the database"),
    Setting("ROLLBOOK_OIDC_URL", "", "the address of an OpenID Connect provider, for sign-in"),
    Setting("ROLLBOOK_OIDC_CLIENT_ID", "", "what that provider calls this server"),
    Setting("ROLLBOOK_OIDC_CLIENT_SECRET", "", "the secret that provider gave"),
    Setting("ROLLBOOK_LOG_FORMAT", "json", "json; console for people; quiet: only what went wrong"),
    Setting("ROLLBOOK_TELEMETRY_KEY", "", "what /metrics asks for as a bearer token; nothing keeps it to this machine"),
)
"""All of them, in the order in which they are documented."""

SECRET_LENGTH_MIN = 32

PRELOAD_DAYS_MIN = 365
"""What lists of browsers (hstspreload.org) ask for."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings as values, by name."""

    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def configuration(environment: Mapping[str, str] | None = None) -> Configuration:
    """What the environment says. Raises ConfigurationError with everything that is wrong, at once."""
    given = os.environ if environment is None else environment
    problems: list[Problem] = []
    values = {it.name: _value(it, given.get(it.name, it.default), problems) for it in SETTINGS}
    for name in ("ROLLBOOK_SECRET_KEY", "ROLLBOOK_DIGEST_KEY"):
        if len(values[name]) < SECRET_LENGTH_MIN:
            rule = "it is missing" if not values[name] else f"it is shorter than {SECRET_LENGTH_MIN} characters"
            problems.append(Problem(name, rule, "set it to what `rollbook server-secrets` prints, and keep it"))
    try:
        database(values["DATABASE_URL"])
    except ValueError as error:
        problems.append(
            Problem("DATABASE_URL", str(error), "write sqlite:///rollbook.db or postgresql://user@host/name")
        )
    try:
        mail(values["ROLLBOOK_EMAIL_URL"])
    except ValueError as error:
        remedy = "write smtp://user:password@host:587, smtps://user:password@host:465, or nothing"
        problems.append(Problem("ROLLBOOK_EMAIL_URL", str(error), remedy))
    try:
        oidc_provider(values["ROLLBOOK_OIDC_URL"], "", "")
    except ValueError as error:
        problems.append(Problem("ROLLBOOK_OIDC_URL", str(error), "write the provider's address with https://"))
    if values["ROLLBOOK_HSTS_PRELOAD"] and not (
        values["ROLLBOOK_HSTS_SUBDOMAINS"] and values["ROLLBOOK_HSTS_DAYS"] >= PRELOAD_DAYS_MIN
    ):
        remedy = f"set ROLLBOOK_HSTS_SUBDOMAINS=true and ROLLBOOK_HSTS_DAYS={PRELOAD_DAYS_MIN} or more, or leave it out"
        problems.append(Problem("ROLLBOOK_HSTS_PRELOAD", "browsers take it for whole domains and a year only", remedy))
    if values["ROLLBOOK_ARCHIVE"] and not Path(values["ROLLBOOK_ARCHIVE"]).is_absolute():
        rule = f'"{values["ROLLBOOK_ARCHIVE"]}" is another folder for each process that runs elsewhere'
        problems.append(Problem("ROLLBOOK_ARCHIVE", rule, "write the whole path, from / on"))
    if problems:
        raise ConfigurationError(problems)
    return Configuration(values)


def _value(setting: Setting, text: str, problems: list[Problem]) -> Any:
    text = text.strip()
    if setting.kind == "list":
        return [item.strip() for item in text.split(",") if item.strip()]
    if setting.kind == "flag":
        if text.lower() not in ("true", "false"):
            problems.append(Problem(setting.name, f'it is "{text}"', "write true or false"))
        return text.lower() == "true"
    if setting.kind == "number":
        if not text.isdecimal() or not setting.least <= int(text) <= setting.most:
            remedy = f"write a whole number from {setting.least} to {setting.most}"
            problems.append(Problem(setting.name, f'it is "{text}"', remedy))
            return setting.least
        return int(text)
    return text


CONNECTION = (
    *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding"),
    *("connect_timeout", "application_name"),
)
"""What may stand after ? in the address of a PostgreSQL, beside host: how it is connected to, in its own words."""

CONNECTION_USUAL = {"connect_timeout": "10"}
"""What of it holds where the address does not say, in seconds: nobody waits for ever for a host that is not there."""


def database(url: str) -> dict[str, Any]:
    """Django's settings of a database. Raises ValueError for an address that is none.

    Nothing that an address says is passed over: whoever asks for sslmode=verify-full gets it, or an error.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        path = unquote(parts.path.removeprefix("/"))
        if not path:
            raise ValueError("it names no file")
        return {
            "ENGINE": "rollbook.server.sqlite3",
            "NAME": str(Path(path).absolute()),
            # A write begins as one: two that began as reads could never both go on.
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                "init_command": "pragma journal_mode=wal; pragma synchronous=full; pragma foreign_keys=on; "
                # In KiB, of each connection. With the usual 2,000 an account of 100,000 facts took a fifth longer.
                "pragma cache_size=-16384;",
            },
        }
    if parts.scheme in ("postgresql", "postgres"):
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if unknown := query.keys() - {"host", *CONNECTION}:
            raise ValueError(f"what can stand after ? is host, {', '.join(CONNECTION)}, and not {min(unknown)}")
        seconds = query.get("connect_timeout", "1")
        if not (seconds.isascii() and seconds.isdecimal()):
            raise ValueError("connect_timeout is no whole number of seconds")
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.removeprefix("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": query.pop("host", "") or unquote(parts.hostname or ""),
            "PORT": parts.port or "",
            "CONN_MAX_AGE": 600,
            "CONN_HEALTH_CHECKS": True,
            # Metering is one long statement: compiling it costs more than running it.
            "OPTIONS": {"options": "-c jit=off -c timezone=UTC", "prepare_threshold": 5, **CONNECTION_USUAL, **query},
        }
    raise ValueError("it is no address of a database that can be used")


def mail(url: str) -> dict[str, Any]:
    """Django's settings of mail. Raises ValueError for an address that is none.

    smtp:// changes to TLS (STARTTLS) before anything is said, smtps:// begins with it; smtp://host:25?tls=none is for
    a server beside this one. Without an address mail is kept as files in the folder rollbook-mail.
    """
    if not url:
        folder = str(Path("rollbook-mail").absolute())
        return {"EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend", "EMAIL_FILE_PATH": folder}
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("it is no address of a mail server")
    if parts.query not in ("", "tls=none") or (parts.query and parts.scheme == "smtps"):
        raise ValueError("all that can stand after ? is tls=none, with smtp://")
    if parts.query and parts.password:
        raise ValueError("the password would be sent for everybody to read")
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if parts.scheme == "smtps" else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp" and not parts.query,
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_TIMEOUT": 10,
    }


def oidc_provider(url: str, client: str, secret: str) -> dict[str, Any]:
    """What allauth is told of the one provider; nothing where none is named. Raises ValueError for one without TLS."""
    if not url:
        return {}
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("it does not begin with https://")
    app = {
        "provider_id": "provider",
        "name": "your organisation",
        "client_id": client,
        "secret": secret,
        "settings": {"server_url": url, "oauth_pkce_enabled": True},
    }
    return {"openid_connect": {"APPS": [app], "OAUTH_PKCE_ENABLED": True}}
