"""Chance that repeats: independent streams by name, and a record's fate from the record itself."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]

_MASK = (1 << 64) - 1
_STEP, _SHIFT = 0x9E3779B97F4A7C15, 0x632BE59BD9B4E019


def stream(seed: int, *names: object) -> np.random.Generator:
    """A generator that belongs to one concern: drawing more for one never changes another."""
    digest = hashlib.sha256("|".join(map(str, (seed, *names))).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def draw_keys(rng: np.random.Generator, count: int) -> Keys:
    """Random identities."""
    return rng.integers(0, 1 << 64, count, dtype=np.uint64)


def mixed(keys: Keys, *salts: int | npt.NDArray[np.integer]) -> Keys:
    """New keys from keys and salts (splitmix64's finaliser): equal input, equal output, no order involved."""
    value = keys.astype(np.uint64)
    for salt in salts:
        if isinstance(salt, int):
            value = value ^ np.uint64((salt * _STEP + _SHIFT) & _MASK)
        else:
            value = value ^ (salt.astype(np.uint64) * np.uint64(_STEP) + np.uint64(_SHIFT))
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        value = value ^ (value >> np.uint64(31))
    return value


def chance(keys: Keys, salt: int) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each key: what happens to a record depends on nothing but the record."""
    return (mixed(keys, salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def uuids(keys: Keys, salt: int) -> list[str]:
    """A version 4 UUID for each key."""
    high = mixed(keys, salt) & np.uint64(0xFFFFFFFFFFFF0FFF) | np.uint64(0x4000)
    low = mixed(keys, salt + 1) & np.uint64(0x3FFFFFFFFFFFFFFF) | np.uint64(0x8000000000000000)
    text = np.column_stack([high, low]).astype(">u8").tobytes().hex()
    return [
        f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in (text[n : n + 32] for n in range(0, len(text), 32))
    ]


def stable_id(prefix: str, *parts: object, length: int = 17) -> str:
    """An AWS-like id that depends on nothing but its parts: `eni-0…`."""
    return prefix + hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:length]
