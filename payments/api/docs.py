"""The OpenAPI document and its page, both open to all and under the site's strict policy."""

from __future__ import annotations

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView


class SchemaView(SpectacularAPIView):
    """`/api/schema`: YAML, or JSON where it is asked for."""


class DocsView(SpectacularSwaggerSplitView):
    """`/api/docs`: Swagger UI from our own files; script apart, style with a nonce."""

    url_name = "schema"
    template_name = "api/docs.html"
    title = "Malipo API"
