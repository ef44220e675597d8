"""
How gunicorn serves: `gunicorn -c config/gunicorn.py config.wsgi`.

Many threads in few processes, because most of them wait for a provider: at 2 x 32 threads
callbacks waited 20 seconds behind hanging calls, at 2 x 200 they took 11 ms (measured).
"""

from __future__ import annotations

import os
from pathlib import Path

bind = os.environ.get("WEB_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "200"))
# A client that asks with ?wait= holds its thread for 25 s; a provider's call for 20 s.
graceful_timeout = 30
timeout = 60
keepalive = 5
# Every process opens its own database pool after the fork.
preload_app = False
# Addresses of callbacks carry their MAC and query strings carry phone numbers: no access log.
accesslog = None
errorlog = "-"
# The heartbeat file is touched all the time and must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
# Its default place is one per user, so two checkouts would fight for it.
control_socket_disable = True
