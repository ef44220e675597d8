"""The callback addresses; hex in lower case only, so that one attempt has one address."""

from __future__ import annotations

from django.urls import re_path

from payments.api import callbacks

urlpatterns = [
    re_path(r"^cb/s/(?P<subject>[0-9a-f]{32})/(?P<mac>[0-9a-f]{32})\Z", callbacks.stk_callback),
]
