from __future__ import annotations

import secrets
import time
import uuid


def new_id() -> uuid.UUID:
    """Make a UUIDv7 (RFC 9562, 5.7): unguessable, and in order of its making by the millisecond."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)
