"""Seeds for every random choice, derived from the seed in the configuration."""

from __future__ import annotations

import hashlib
import json


def derive_seed(*parts: str | int) -> int:
    """Return a 32-bit seed that depends on every part: seed, partition, fold, network."""
    return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:4], "big")
