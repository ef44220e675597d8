from __future__ import annotations

from typing import Any

from rest_framework.parsers import BaseParser


class StrictJSONParser(BaseParser):
    """JSON."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        raise NotImplementedError
