from __future__ import annotations

from django.urls import path

from bench.floor import views

urlpatterns = [
    path("healthz", views.healthz),
    path("insert", views.insert),
    path("select/<uuid:payment_id>", views.select),
]
