"""Durations of a run of any length, in bounded memory."""

from __future__ import annotations

_STEP_NS = 10_000  # 0.01 ms: what the statistics print
_DIGITS = 10_000  # beyond 100 ms: four significant digits


class Histogram:
    """Counts durations, each rounded to 0.01 ms or to four digits, whichever is coarser.

    A regular 60 Hz comes out as 16.67 ms, and the worst case of all, every bucket in use, is some 40,000
    buckets.

    Attributes:
        count: Number of durations.
        max_ns: The largest one, exact; 0 without any.
    """

    __slots__ = ("count", "max_ns", "_buckets")

    def __init__(self) -> None:
        self.count = 0
        self.max_ns = 0
        self._buckets: dict[int, int] = {}

    def add(self, duration_ns: int) -> None:
        """Count a duration; a negative one counts as 0."""
        duration_ns = max(0, duration_ns)
        step = _STEP_NS
        while duration_ns >= step * _DIGITS:
            step *= 10
        bucket = (duration_ns + step // 2) // step * step
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self.max_ns = max(self.max_ns, duration_ns)

    def percentile_ms(self, percent: int) -> float:
        """The smallest duration that `percent` of all do not exceed, in milliseconds; 0 without any."""
        rank = -(-self.count * percent // 100)
        for bucket in sorted(self._buckets):
            rank -= self._buckets[bucket]
            if rank <= 0:
                return bucket / 1e6
        return 0.0

    @property
    def max_ms(self) -> float:
        """The largest duration in milliseconds, to 0.01 ms."""
        return round(self.max_ns / 1e6, 2)

    def summary(self, *, with_max: bool = False) -> dict[str, float]:
        """p50, p99 and, if asked for, max, in milliseconds."""
        summary = {"p50": self.percentile_ms(50), "p99": self.percentile_ms(99)}
        return {**summary, "max": self.max_ms} if with_max else summary
