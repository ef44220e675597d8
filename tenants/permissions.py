from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission

from tenants.roles import Action, may

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class MatrixPermission(BasePermission):
    """
    The role of the key may do the view's action for this method; a view names them in `actions`.

    Checked before any look-up. A method a view does not list is left to the 405 answer.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.auth is None:
            raise NotAuthenticated
        if request.method not in view.allowed_methods:
            return True
        action: Action | None = getattr(view, "actions", {}).get(request.method)
        return action is not None and may(request.auth.role, action)
