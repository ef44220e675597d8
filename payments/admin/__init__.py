from __future__ import annotations

from payments.admin import callbacks, configs, payments, reviews, tokens

__all__ = ["callbacks", "configs", "payments", "reviews", "tokens"]
