"""What Prometheus reads, of all workers together."""

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from stills.contract.errors import Billing
from stills.contract.generation import GenerationSpec
from stills.contract.money import to_nano_usd, to_usd
from stills.contract.result import ImageResult

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """Counters of one process, or of all that share a folder."""

    def __init__(self, shared_folder: str | None = None) -> None:
        self._shared_folder = shared_folder
        self.registry = CollectorRegistry()
        # Looking labels up takes longer than counting.
        self._of_answers = cache(self._find_of_answers)
        self._requests = Counter(
            "stills_http_requests_total", "Answers.", ("method", "route", "status"),
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "stills_http_request_seconds", "Time to the end of the answer.", ("route",),
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._images = Counter(
            "stills_images_total", "Images answered, billed or out of the catalog.",
            ("model", "answered"), registry=self.registry,
        )  # fmt: skip
        self._billed_usd = Counter(
            "stills_billed_usd_total", "What sends added to the bill, in USD.", ("model",),
            registry=self.registry,
        )  # fmt: skip
        self._possible_usd = Counter(
            "stills_possibly_billed_usd_total", "What sends that were cut off may add, in USD.",
            ("model",), registry=self.registry,
        )  # fmt: skip
        self._saved_usd = Counter(
            "stills_saved_usd_total", "What answers out of the catalog would have cost, in USD.",
            ("model",), registry=self.registry,
        )  # fmt: skip
        self.queue = Gauge(
            "stills_queue", "Generations that wait for their start.",
            registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.limit = Gauge(
            "stills_limit_starts_per_second", "The limit of starts; -1 where there is none.",
            registry=self.registry, multiprocess_mode="mostrecent",
        )  # fmt: skip
        self.rate = Gauge(
            "stills_rate_starts_per_second", "Starts a second at the moment; -1 for no limit.",
            registry=self.registry, multiprocess_mode="mostrecent",
        )  # fmt: skip

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        method = method if method in ("GET", "HEAD", "POST", "DELETE") else "other"
        counter, histogram = self._of_answers(method, route, status)
        counter.inc()
        histogram.observe(seconds)

    def _find_of_answers(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(method, route, str(status)), self._seconds.labels(route)

    def made(self, result: ImageResult, price_usd: float | None) -> None:
        """Count one image; `price_usd` is what a cached one would have cost."""
        self._images.labels(result.model, "catalog" if result.cached else "billed").inc()
        self._saved_usd.labels(result.model).inc(
            to_nano_usd(price_usd or 0.0) if result.cached else 0
        )

    def billed(self, spec: GenerationSpec, billing: Billing) -> None:
        """Count what one send means for the money, whoever still waits for it."""
        nano_usd = to_nano_usd(spec.price_usd or 0.0)
        self._billed_usd.labels(spec.model).inc(nano_usd if billing is Billing.BILLED else 0)
        self._possible_usd.labels(spec.model).inc(nano_usd if billing is Billing.POSSIBLE else 0)

    def text(self) -> bytes:
        """Write all of it in Prometheus' format."""
        if self._shared_folder is None:
            return generate_latest(_in_usd(self.registry))
        _forget_dead(Path(self._shared_folder))
        of_all = CollectorRegistry()
        MultiProcessCollector(of_all, self._shared_folder)  # type: ignore[no-untyped-call]
        return generate_latest(_in_usd(of_all))


def _forget_dead(folder: Path) -> None:
    """Leave out what waited in a worker that was killed; what it counted stays."""
    for gauges in folder.glob("gauge_live*_*.db"):
        try:
            os.kill(int(gauges.stem.rpartition("_")[2]), 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another worker was quicker
                gauges.unlink()


class _InUsd(Collector):
    """Money counters are counted in nano-USD, which add up exactly, and shown in USD."""

    def __init__(self, counted: CollectorRegistry) -> None:
        self._counted = counted

    def collect(self) -> Iterator[Metric]:
        for metric in self._counted.collect():
            if metric.name.endswith("_usd"):
                metric.samples = [
                    sample._replace(value=to_usd(int(sample.value)))
                    if sample.name.endswith("_total")
                    else sample
                    for sample in metric.samples
                ]
            yield metric


def _in_usd(counted: CollectorRegistry) -> CollectorRegistry:
    shown = CollectorRegistry()
    shown.register(_InUsd(counted))
    return shown
