"""
What the tests run on where the environment says nothing. Loaded by `-p` before Django's settings.

The provider's address is one that does not exist: a test that forgets its fake cannot reach out.
"""

from __future__ import annotations

import os

os.environ.setdefault("DEBUG", "1")
os.environ.setdefault("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/malipo")
os.environ.setdefault("PUBLIC_BASE_URL", "https://pay.test")
os.environ.setdefault("DARAJA_SANDBOX_URL", "http://daraja.test")
os.environ.setdefault("DARAJA_PRODUCTION_URL", "http://daraja-live.test")
# Each test counts its own; those about limits set them.
os.environ.setdefault("API_RATE_PER_KEY_PER_MINUTE", "0")
os.environ.setdefault("LOG_LEVEL", "WARNING")
