from __future__ import annotations

from django.urls import path, re_path

from payments.providers.daraja.simulator import money_views, views

urlpatterns = [
    path("", views.handset),
    path("simulator/static/<str:name>", views.static),
    path("simulator/prompts", views.prompts),
    path("simulator/prompts/<str:checkout_request_id>/<str:button>", views.press),
    path("simulator/pay", money_views.pay),
    path("simulator/money", money_views.money),
    path("simulator/take-back", money_views.take_back),
    path("simulator/result", money_views.result),
    path("simulator/ledger", views.ledger),
    path("simulator/reset", views.reset),
    path("simulator/scenario", views.scenario),
    path("simulator/fault", views.fault),
    path("simulator/knobs", views.knobs),
    # Everything else is Daraja's to answer, "Resource not found" included.
    re_path(r"^(?!simulator/)", views.daraja),
]
