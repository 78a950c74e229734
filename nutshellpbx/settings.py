"""Settings of every process: read from the environment, with defaults that are safe to run with.

Each reader has a `_FILE` variant (NUTSHELLPBX_SECRET_KEY_FILE and so on). There is no default secret key:
it is made once, beside the data, with a tight mode. The README's table lists every name; a test compares.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent


def env(name: str, default: str = "") -> str:
    """A value from the environment, or from the file that NAME_FILE points to; raises if that file can't
    be read.
    """
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE names {path}, which cannot be read: {error}") from error
    return os.environ.get(name, default)


def env_flag(name: str, *, default: bool = False) -> bool:
    """A yes/no value; raises on anything else."""
    text = env(name, "1" if default else "0").lower()
    if text not in {"0", "1", "true", "false", "yes", "no"}:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {text!r}")
    return text in {"1", "true", "yes"}


def env_int(name: str, default: int) -> int:
    """A whole number; raises on anything else."""
    text = env(name, str(default))
    if not text.isdigit():
        raise ImproperlyConfigured(f"{name} must be a whole number, not {text!r}")
    return int(text)


def env_list(name: str, default: str = "") -> list[str]:
    """Values separated by commas."""
    return [part.strip() for part in env(name, default).split(",") if part.strip()]


def secret_from_file(path: Path) -> str:
    """The secret in a file of mode 0600, made at the first start."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        with draft.open("w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())  # or a power cut leaves a name with nothing in it
        try:
            os.link(draft, path)  # fails when another process was first: then its secret counts
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").strip()


#: What a database address may say after its question mark; `host` names a socket's folder.
DATABASE_OPTIONS = ("sslmode", "sslrootcert", "connect_timeout")
#: A way that swallows what is sent is given up after these seconds; without them it holds a worker for ever.
DATABASE_PATIENCE = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


def database_from_url(url: str) -> dict[str, object]:
    """Django's database settings for a postgres:// address; raises for any other scheme and for options that
    we would not pass on.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL must begin with postgres://")
    pairs = (pair.partition("=") for pair in parts.query.split("&") if pair)
    query = {name: unquote(value) for name, _, value in pairs}
    if unknown := sorted(query.keys() - {"host", *DATABASE_OPTIONS}):
        raise ImproperlyConfigured(
            f"DATABASE_URL has {', '.join(unknown)}; it may have host, {', '.join(DATABASE_OPTIONS)}"
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("host") or unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": DATABASE_PATIENCE | {name: query[name] for name in DATABASE_OPTIONS if query.get(name)},
    }


def sqlite_file(path: Path, *, synchronous: str) -> dict[str, object]:
    """Django's database settings for one SQLite file: WAL, writers queue instead of failing."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA foreign_keys=ON;"
            f"PRAGMA synchronous={synchronous}",
        },
        "TEST": {"NAME": str(path.with_name(f"test-{os.getpid()}-{path.name}"))},
    }


# --- where things are ------------------------------------------------------------------------------
NUTSHELLPBX_DIR = Path(env("NUTSHELLPBX_DIR", str(BASE_DIR.parent / "var"))).resolve()
NUTSHELLPBX_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
NUTSHELLPBX_ROLE = env("NUTSHELLPBX_ROLE", "manage")
NUTSHELLPBX_KEYS_DIR = Path(env("NUTSHELLPBX_KEYS_DIR", str(NUTSHELLPBX_DIR / "keys")))
NUTSHELLPBX_CREDENTIALS_DIR = env("NUTSHELLPBX_CREDENTIALS_DIR", env("CREDENTIALS_DIRECTORY", ""))
NUTSHELLPBX_MARKER_KEY = Path(env("NUTSHELLPBX_MARKER_KEY", str(NUTSHELLPBX_DIR / "marker.key")))
#: How far the journal had got, kept outside its database: a database that knows less was restored.
NUTSHELLPBX_HIGH_WATER = Path(env("NUTSHELLPBX_HIGH_WATER", str(NUTSHELLPBX_DIR / "journal.high")))
#: Which machine this is, where /etc/machine-id and network cards do not tell (containers, practice).
NUTSHELLPBX_BOX_ID = env("NUTSHELLPBX_BOX_ID")

# --- addresses -------------------------------------------------------------------------------------
NUTSHELLPBX_HOSTS = env_list("NUTSHELLPBX_HOSTS", "localhost,127.0.0.1,[::1]")
NUTSHELLPBX_PUBLIC_URL = env("NUTSHELLPBX_PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
NUTSHELLPBX_PUSH_URL = env("NUTSHELLPBX_PUSH_URL", "http://127.0.0.1:8001").rstrip("/")
NUTSHELLPBX_WEB_PORT = env_int("NUTSHELLPBX_WEB_PORT", 8000)
NUTSHELLPBX_PUSH_PORT = env_int("NUTSHELLPBX_PUSH_PORT", 8001)
NUTSHELLPBX_REDIS_URL = env("NUTSHELLPBX_REDIS_URL", f"unix://{NUTSHELLPBX_DIR}/redis.sock")
NUTSHELLPBX_TLS = env_flag("NUTSHELLPBX_TLS", default=NUTSHELLPBX_PUBLIC_URL.startswith("https://"))
#: A CRM or PBX on a private address (on-premise, practice) may be reached, and a CRM over http on loopback.
NUTSHELLPBX_PRIVATE_CRM_OK = env_flag("NUTSHELLPBX_PRIVATE_CRM_OK")
#: Faults may be asked for by name; for the fault suite only.
NUTSHELLPBX_PRACTICE = env_flag("NUTSHELLPBX_PRACTICE")
NUTSHELLPBX_FAULT_POINT = env("NUTSHELLPBX_FAULT_POINT") if NUTSHELLPBX_PRACTICE else ""
NUTSHELLPBX_LOG_LEVEL = env("NUTSHELLPBX_LOG_LEVEL", "INFO")

DEBUG = env_flag("NUTSHELLPBX_DEBUG")
SECRET_KEY = env("NUTSHELLPBX_SECRET_KEY")
if not SECRET_KEY and NUTSHELLPBX_ROLE in {"push", "worker", "listen"}:
    SECRET_KEY = secrets.token_urlsafe(48)  # these sign nothing: the real one is the web process's alone
elif not SECRET_KEY:
    SECRET_KEY = secret_from_file(NUTSHELLPBX_DIR / "secret.key")
ALLOWED_HOSTS = NUTSHELLPBX_HOSTS
CSRF_TRUSTED_ORIGINS = [NUTSHELLPBX_PUBLIC_URL]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "allauth",
    "allauth.account",
    "django_htmx",
    "csp",
    "nutshellpbx.audit",
    "nutshellpbx.vault",
    "nutshellpbx.pbx",
    "nutshellpbx.people",
    "nutshellpbx.crm",
    "nutshellpbx.desktop",
    "nutshellpbx.journal",
    "nutshellpbx.calls",
    "nutshellpbx.ops",
    "nutshellpbx.dashboard",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "nutshellpbx.dashboard.middleware.PersonalTimeZone",
    "nutshellpbx.dashboard.middleware.PrivatePages",
]

ROOT_URLCONF = "nutshellpbx.urls"
ASGI_APPLICATION = "nutshellpbx.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "dashboard" / "templates"],  # before allauth's own
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "nutshellpbx.dashboard.context.appearance",
            ],
        },
    }
]

# --- stores ----------------------------------------------------------------------------------------
if database_url := env("DATABASE_URL"):
    DATABASES = {"default": database_from_url(database_url), "index": database_from_url(database_url)}
    DATABASES["index"]["TEST"] = {"MIRROR": "default"}
    NUTSHELLPBX_ONE_DATABASE = True
else:
    DATABASES = {
        "default": sqlite_file(NUTSHELLPBX_DIR / "main.sqlite3", synchronous="FULL"),
        "index": sqlite_file(NUTSHELLPBX_DIR / "index.sqlite3", synchronous="NORMAL"),
    }
    NUTSHELLPBX_ONE_DATABASE = False
DATABASE_ROUTERS = ["nutshellpbx.crm.router.IndexRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}

# --- who is who ------------------------------------------------------------------------------------
AUTH_USER_MODEL = "people.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_ADAPTER = "nutshellpbx.dashboard.account.InvitedOnly"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 7 * 24 * 3600
if NUTSHELLPBX_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-session", "__Host-csrf"
    SECURE_HSTS_SECONDS = env_int("NUTSHELLPBX_HSTS_S", 86_400)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "nutshellpbx.dashboard.errors.stale_form"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

# --- language, time, files -------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
#: A release's own collected files, with digests in their names, so that browsers may keep them for a year.
NUTSHELLPBX_STATIC_DIR = env("NUTSHELLPBX_STATIC_DIR")
if NUTSHELLPBX_STATIC_DIR:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
STATIC_ROOT = Path(NUTSHELLPBX_STATIC_DIR or NUTSHELLPBX_DIR / "static")
STATIC_ROOT.mkdir(exist_ok=True)
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

# --- machine interfaces ----------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
    "NUM_PROXIES": 1,
}

# --- the doorbell ----------------------------------------------------------------------------------
CELERY_BROKER_URL = NUTSHELLPBX_REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "slow"
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 2, "socket_connect_timeout": 1, "max_retries": 0}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TIMEZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "nutshellpbx.redact.Redacting"}},
    "formatters": {
        "line": {
            "()": "nutshellpbx.redact.RedactingFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["redact"]}},
    "root": {"handlers": ["console"], "level": NUTSHELLPBX_LOG_LEVEL},
    "loggers": {"uvicorn.access": {"level": "WARNING"}, "httpx": {"level": "WARNING"}},
}
