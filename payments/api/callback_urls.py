"""The callback addresses; hex in lower case only, so that one subject has one address."""

from __future__ import annotations

from django.urls import re_path

from payments.api import callbacks, loop

_NAMED = "(?P<subject>[0-9a-f]{32})/(?P<mac>[0-9a-f]{32})"

urlpatterns = [
    re_path(rf"^cb/s/{_NAMED}\Z", callbacks.stk_callback),
    re_path(rf"^cb/p/{_NAMED}\Z", callbacks.proof_callback),
    re_path(rf"^cb/c/{_NAMED}/v\Z", callbacks.c2b_validation),
    re_path(rf"^cb/c/{_NAMED}/c\Z", callbacks.c2b_confirmation),
    re_path(rf"^cb/b/{_NAMED}\Z", callbacks.bank_notice),
    re_path(rf"^cb/r/{_NAMED}\Z", callbacks.request_result),
    re_path(rf"^cb/t/{_NAMED}\Z", callbacks.request_timeout),
    re_path(rf"^cb/l/{_NAMED}\Z", loop.loop),
]
