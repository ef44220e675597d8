from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.decorators.cache import cache_page
from django.views.generic import RedirectView

from payments.api.docs import DocsView, SchemaView
from reconciliation import metrics, operations

handler404 = "payments.api.errors.not_found"
handler500 = "payments.api.errors.server_error"

_to_admin = RedirectView.as_view(pattern_name="admin:index")

urlpatterns = [
    # People type the host, and forget the slash; the API alone never redirects.
    path("", _to_admin),
    path("admin", _to_admin),
    path("admin/", admin.site.urls),
    path("api/v1/", include("payments.api.urls")),
    # The document changes with the code alone, and takes a second to make.
    path("api/schema", cache_page(3600)(SchemaView.as_view()), name="schema"),
    path("api/docs", DocsView.as_view(), name="docs"),
    path("healthz", operations.healthz),
    path("readyz", operations.readyz),
    path("metrics", metrics.metrics),
]
