"""Django's settings, from `configuration` alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rollbook.server.configuration import configuration, database, mail, oidc_provider
from rollbook.server.observing import logs

CONFIGURATION = configuration()

SECRET_KEY = CONFIGURATION["ROLLBOOK_SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = CONFIGURATION["ROLLBOOK_ALLOWED_HOSTS"]
DATABASES: dict[str, Any] = {"default": database(CONFIGURATION["DATABASE_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "rollbook.User"
ROOT_URLCONF = "rollbook.server.urls"
WSGI_APPLICATION = "rollbook.server.wsgi.application"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "ninja",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "rollbook.server",
]
MIDDLEWARE = [
    "rollbook.server.observing.logs.requests",
    "rollbook.server.observing.telemetry.requests",
    "rollbook.server.middleware.answers",
    "rollbook.server.observing.health.probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "rollbook.server.pages.preferences.chosen",
            ],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static", "rollbook.server.pages.tags"],
        },
    }
]

globals().update(mail(CONFIGURATION["ROLLBOOK_EMAIL_URL"]))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = CONFIGURATION["ROLLBOOK_EMAIL_FROM"]

LOGGING = logs.configured(CONFIGURATION["ROLLBOOK_LOG_FORMAT"])

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [Path(__file__).parent / "locale"]
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # files are found in the packages: nothing has to be collected

PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]

PASSWORD_RESET_TIMEOUT = 3 * 24 * 3600
LOGIN_URL = "/signin"

# allauth speaks to the provider, and is given no other page and nothing to store, see `rollbook.server.access.sso`.
SOCIALACCOUNT_ADAPTER = "rollbook.server.access.sso.KnownOnly"
ACCOUNT_ADAPTER = "rollbook.server.access.sso.NoSignUp"
ACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
SOCIALACCOUNT_PROVIDERS = oidc_provider(
    CONFIGURATION["ROLLBOOK_OIDC_URL"],
    CONFIGURATION["ROLLBOOK_OIDC_CLIENT_ID"],
    CONFIGURATION["ROLLBOOK_OIDC_CLIENT_SECRET"],
)

TLS = CONFIGURATION["ROLLBOOK_TLS"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = TLS
SESSION_COOKIE_AGE = 12 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SECURE_HSTS_SECONDS = CONFIGURATION["ROLLBOOK_HSTS_DAYS"] * 24 * 3600 if TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = TLS and CONFIGURATION["ROLLBOOK_HSTS_SUBDOMAINS"]
SECURE_HSTS_PRELOAD = TLS and CONFIGURATION["ROLLBOOK_HSTS_PRELOAD"]
# `check --deploy` asks for more of it: to bind other hosts, or for ever, is decided by whoever owns the domain.
_HSTS_CHECKS = {
    "security.W004": SECURE_HSTS_SECONDS,
    "security.W005": SECURE_HSTS_INCLUDE_SUBDOMAINS,
    "security.W021": SECURE_HSTS_PRELOAD,
}
SILENCED_SYSTEM_CHECKS = [name for name, chosen in _HSTS_CHECKS.items() if TLS and not chosen]
X_FRAME_OPTIONS = "DENY"
if CONFIGURATION["ROLLBOOK_TRUSTED_PROXIES"]:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# The probes of a load balancer come without TLS and by address.
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$"]

CSRF_FAILURE_VIEW = "rollbook.server.pages.stops.csrf_failed"
SECURE_REFERRER_POLICY = "same-origin"

# Bodies are read, bounded, by `rollbook.server.api.bodies`.
DATA_UPLOAD_MAX_MEMORY_SIZE = None
