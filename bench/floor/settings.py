"""The least Django can run with: no apps, no middleware, one kept connection a thread."""

from __future__ import annotations

import os

import environ

DATABASES = {"default": environ.Env.db_url_config(os.environ["DATABASE_URL"])}
DATABASES["default"]["CONN_MAX_AGE"] = None
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "bench.floor.urls"
USE_TZ = True
DEBUG = False
