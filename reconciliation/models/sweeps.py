from __future__ import annotations

from django.db import models


class SweepState(models.Model):
    """When each sweep last ran and what it did: the heartbeat readiness looks at."""

    name = models.CharField(primary_key=True, max_length=50)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    moved = models.IntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return self.name
