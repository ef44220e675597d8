from __future__ import annotations

from tests.backoffice import browse, ours, root, support, theirs

__all__ = ["browse", "ours", "root", "support", "theirs"]
