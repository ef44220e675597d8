"""
One file, read from the environment once, at the top. `NAME_FILE` reads a value from a file.

Secrets have no default outside DEBUG: a missing or malformed one stops the start and is named.
"""

from __future__ import annotations

from pathlib import Path

from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

from config import keys, logs, openapi
from config.environment import env
from config.schedule import BEAT_SCHEDULE

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env("DEBUG")

# Keys. None derives from another, none has a default outside DEBUG (safety.md section 8).
SECRET_KEY = keys.read_secret_key(env, debug=DEBUG)
FIELD_ENCRYPTION_KEYS = keys.read_ring(env, "FIELD_ENCRYPTION_KEYS", debug=DEBUG)
CALLBACK_MAC_KEYS = keys.read_ring(env, "CALLBACK_MAC_KEYS", debug=DEBUG)
BLIND_INDEX_KEY = keys.read_key(env, "BLIND_INDEX_KEY", debug=DEBUG)
AUDIT_CHAIN_KEY = keys.read_key(env, "AUDIT_CHAIN_KEY", debug=DEBUG)
keys.refuse_reuse(
    {
        "SECRET_KEY": [SECRET_KEY.encode()],
        "FIELD_ENCRYPTION_KEYS": [*FIELD_ENCRYPTION_KEYS.values()],
        "CALLBACK_MAC_KEYS": [*CALLBACK_MAC_KEYS.values()],
        "BLIND_INDEX_KEY": [BLIND_INDEX_KEY],
        "AUDIT_CHAIN_KEY": [AUDIT_CHAIN_KEY],
    }
)

# Where we are
PUBLIC_BASE_URL = env("PUBLIC_BASE_URL").rstrip("/") or ("http://localhost:8000" if DEBUG else "")
ALLOWED_HOSTS = env("ALLOWED_HOSTS") or (["*"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env("CSRF_TRUSTED_ORIGINS") or (
    [PUBLIC_BASE_URL] if PUBLIC_BASE_URL.startswith("https://") else []
)
TRUSTED_PROXIES = env("TRUSTED_PROXIES")
METRICS_ALLOWED_NETWORKS = env("METRICS_ALLOWED_NETWORKS")
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False  # api.md: a slash too many is 404, never a redirect

# Providers
DARAJA_SANDBOX_URL = env("DARAJA_SANDBOX_URL").rstrip("/")
DARAJA_PRODUCTION_URL = env("DARAJA_PRODUCTION_URL").rstrip("/")
AIRTEL_SANDBOX_URL = env("AIRTEL_SANDBOX_URL").rstrip("/")
AIRTEL_PRODUCTION_URL = env("AIRTEL_PRODUCTION_URL").rstrip("/")
DARAJA_CERTIFICATE_FILES = [env(f"DARAJA_CERTIFICATE_FILE_{e}") for e in ("SANDBOX", "PRODUCTION")]
DARAJA_CONNECT_TIMEOUT_S = env("DARAJA_CONNECT_TIMEOUT_S")
DARAJA_TOTAL_TIMEOUT_S = env("DARAJA_TOTAL_TIMEOUT_S")
DARAJA_PULL_METHOD = env("DARAJA_PULL_METHOD").upper()
CALLBACK_ALLOWED_NETWORKS = env("CALLBACK_ALLOWED_NETWORKS")
UPSTREAM_CALLS_PER_PROCESS = env("UPSTREAM_CALLS_PER_PROCESS")

# Payments
PAYMENT_EXPIRY_S = env("PAYMENT_EXPIRY_S")
QUERY_BUDGET_PER_MINUTE = env("QUERY_BUDGET_PER_MINUTE")
REVERSAL_RECHECK_ABOVE = env("REVERSAL_RECHECK_ABOVE")
STK_RATE_PER_SHOP_PER_MINUTE = env("STK_RATE_PER_SHOP_PER_MINUTE")
STK_RATE_PER_PHONE_PER_MINUTE = env("STK_RATE_PER_PHONE_PER_MINUTE")
API_RATE_PER_KEY_PER_MINUTE = env("API_RATE_PER_KEY_PER_MINUTE")
# A config is left alone after so many failures in a row, for so long (services/breakers.py)
BREAKER_FAILURES = env("BREAKER_FAILURES")
BREAKER_COOLING_S = env("BREAKER_COOLING_S")
RAW_BODY_RETENTION_DAYS = env("RAW_BODY_RETENTION_DAYS")
WEBHOOK_ALLOW_PRIVATE = env.bool("WEBHOOK_ALLOW_PRIVATE", default=DEBUG)
STATEMENT_MAX_MB = env("STATEMENT_MAX_MB")
AUDIT_ANCHOR_DIR = env("AUDIT_ANCHOR_DIR")

INSTALLED_APPS = [
    "config.apps.MalipoAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_structlog",
    "axes",
    "csp",
    "pgtrigger",
    "tenants",
    "audit",
    "payments",
    "reconciliation",
]

MIDDLEWARE = [
    "config.middleware.CallbackShortcut",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.RequestId",
    "config.middleware.ApiShortcut",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.RequestLog",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "config.middleware.UploadLimit",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# PostgreSQL is the truth and the queue. The connection goes back to the pool before every call
# to a provider, so a small pool serves many threads.
_DATABASE = env.db("DATABASE_URL", default="postgresql://postgres@127.0.0.1:5432/malipo")
DATABASES = {"default": _DATABASE}
_DATABASE["OPTIONS"] = _DATABASE.get("OPTIONS", {}) | {
    "pool": {"min_size": 1, "max_size": env("DATABASE_POOL_SIZE"), "timeout": 10},
    # Django switches prepared statements off; the few hot ones that ask for it need them
    # (services/routing.py, services/callbacks.py: a third of the time). PgBouncer: 1.21 or newer.
    "prepare_threshold": 5,
}
DATABASE_ROUTERS = ["config.routers.ViewsHoldNoRows"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis is a bell and nothing more. Without it Celery stays silent and the sweeps do the work.
REDIS_URL = env("REDIS_URL")
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = 600
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,
    "socket_connect_timeout": 1,
    "socket_timeout": 5,
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "Africa/Nairobi"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE
DJANGO_STRUCTLOG_CELERY_ENABLED = True

# People
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
LOGIN_URL = "admin:login"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_HTTP_RESPONSE_CODE = 429
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_CLIENT_IP_CALLABLE = "audit.actors.client_ip"
AXES_DISABLE_ACCESS_LOG, AXES_VERBOSE = True, False

# Browsers
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "static_root"
if DEBUG:
    STATIC_ROOT.mkdir(exist_ok=True)  # empty: the finders serve; WhiteNoise warns without it
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = False
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = not DEBUG
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$", r"^cb/"]
SECURE_HSTS_SECONDS = 0 if DEBUG else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

# Words and times
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("sw", _("Swahili"))]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
FORMAT_MODULE_PATH = ["config.formats"]
USE_TZ = True
TIME_ZONE = "Africa/Nairobi"
USE_THOUSAND_SEPARATOR = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.permissions.MatrixPermission"],
    "DEFAULT_THROTTLE_CLASSES": ["tenants.throttling.ApiKeyThrottle"],
    "DEFAULT_PARSER_CLASSES": ["payments.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "payments.api.pagination.NewestFirst",
    "DEFAULT_SCHEMA_CLASS": "payments.api.schema.MalipoSchema",
    "EXCEPTION_HANDLER": "payments.api.errors.problem_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = openapi.SETTINGS

# Mail to shop admins about what needs attention; without EMAIL_URL it is printed, not sent.
globals().update(env.email_url_config(env.str("EMAIL_URL", default="") or "consolemail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env("EMAIL_FROM")

# Logs carry ids, never secrets, never bodies, never whole numbers.
LOG_FORMAT = env("LOG_FORMAT") or ("console" if DEBUG else "json")
LOGGING = logs.configure(level=env("LOG_LEVEL"), as_json=LOG_FORMAT == "json")
