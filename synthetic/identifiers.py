"""Invented identifiers with valid check digits, and random streams that depend only on their names."""

from __future__ import annotations

import zlib

import numpy as np

# Prefix 80840 of the card issuer adds this much to an NPI's Luhn sum.
_NPI_PREFIX_SUM = 24


def generator(seed: int, stream: str, number: int = 0) -> np.random.Generator:
    """A separate random stream for each seed, purpose and number (of a chunk)."""
    entropy = np.random.SeedSequence([seed, zlib.crc32(stream.encode()), number])
    return np.random.Generator(np.random.Philox(entropy))


def digits_of(numbers: np.ndarray, width: int) -> np.ndarray:
    """Decimal digits, most significant first: one row per number."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (numbers[:, None] // powers) % 10


def npis(numbers: np.ndarray) -> list[str]:
    """National Provider Identifiers of numbers below 10^8: 1, eight digits, check digit (Luhn with prefix 80840)."""
    nine = 100_000_000 + numbers.astype(np.int64)
    digits = digits_of(nine, 9)
    doubled = digits[:, ::2] * 2
    total = _NPI_PREFIX_SUM + (doubled // 10 + doubled % 10).sum(axis=1) + digits[:, 1::2].sum(axis=1)
    return [f"{number}{check}" for number, check in zip(nine.tolist(), ((-total) % 10).tolist(), strict=True)]


def ncpdp_ids(state_prefixes: np.ndarray, numbers: np.ndarray) -> list[str]:
    """NCPDP provider ids: state prefix, four digits, check digit (weights 1 and 2 in turn)."""
    six = state_prefixes.astype(np.int64) * 10_000 + numbers.astype(np.int64)
    digits = digits_of(six, 6)
    checks = (digits[:, ::2].sum(axis=1) + 2 * digits[:, 1::2].sum(axis=1)) % 10
    return [f"{number:06d}{check}" for number, check in zip(six.tolist(), checks.tolist(), strict=True)]


def scattered(count: int, modulus: int, rng: np.random.Generator) -> np.ndarray:
    """Distinct numbers below `modulus` (a power of ten), in no visible order."""
    step = 10 * int(rng.integers(modulus // 50, modulus // 10)) + 3
    return (int(rng.integers(modulus)) + step * np.arange(count, dtype=np.int64)) % modulus


def mixed(numbers: np.ndarray, salt: int) -> np.ndarray:
    """Distinct 64-bit keys of distinct numbers (finalizer of SplitMix64, which is one-to-one)."""
    state = numbers.astype(np.uint64) + np.uint64(salt % 2**64)
    state = state * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
