"""Metrics for Prometheus, summed over all workers."""

import os
from collections.abc import Iterable, Iterator
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
    """Counters of one process, or of all that share a folder.

    Those of money and images begin at 0 for each of the `models`: Prometheus sees no increase in a
    number that was never there before, and would miss the first image.
    """

    def __init__(self, shared_folder: str | None = None, *, models: Iterable[str] = ()) -> None:
        self._shared_folder = shared_folder
        self.registry = CollectorRegistry()
        self._counters = cache(self._find_counters)  # finding labels takes longer than counting
        self._requests = Counter(
            "stills_http_requests_total", "Responses.", ("method", "route", "status"),
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "stills_http_request_seconds", "Time until the response is complete.", ("route",),
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._images = Counter(
            "stills_images_total", "Images returned, billed or from the catalog.",
            ("model", "answered"), registry=self.registry,
        )  # fmt: skip
        self._billed_usd = Counter(
            "stills_billed_usd_total", "Billed API calls, in USD.", ("model",),
            registry=self.registry,
        )  # fmt: skip
        self._possible_usd = Counter(
            "stills_possibly_billed_usd_total", "Interrupted API calls that may be billed, in USD.",
            ("model",), registry=self.registry,
        )  # fmt: skip
        self._unpriced = Counter(
            "stills_unpriced_images_total",
            "Images of unknown price, which the amounts in USD leave out: billed, possibly billed "
            "(possible), or returned from the catalog (saved).",
            ("model", "billing"), registry=self.registry,
        )  # fmt: skip
        self._saved_usd = Counter(
            "stills_saved_usd_total", "Price of the images returned from the catalog, in USD.",
            ("model",), registry=self.registry,
        )  # fmt: skip
        self.queue = Gauge(
            "stills_queue", "Generations waiting to start.",
            registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.limit = Gauge(
            "stills_limit_starts_per_second", "Limit of request starts; -1 without a limit.",
            registry=self.registry, multiprocess_mode="mostrecent",
        )  # fmt: skip
        self.rate = Gauge(
            "stills_rate_starts_per_second", "Current rate of request starts; -1 without a limit.",
            registry=self.registry, multiprocess_mode="mostrecent",
        )  # fmt: skip
        for model in models:
            self._begin(model)

    def _begin(self, model: str) -> None:
        for answered in ("catalog", "billed"):
            self._images.labels(model, answered)
        for billing in ("billed", "possible", "saved"):
            self._unpriced.labels(model, billing)
        for amount in (self._billed_usd, self._possible_usd, self._saved_usd):
            amount.labels(model)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one response."""
        method = method if method in ("GET", "HEAD", "POST", "DELETE") else "other"
        counter, histogram = self._counters(method, route, status)
        counter.inc()
        histogram.observe(seconds)

    def _find_counters(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(method, route, str(status)), self._seconds.labels(route)

    def count_image(self, result: ImageResult, price_usd: float | None) -> None:
        """Count one image; `price_usd` is what a cached one would have cost."""
        self._images.labels(result.model, "catalog" if result.cached else "billed").inc()
        if result.cached and price_usd is None:
            self._unpriced.labels(result.model, "saved").inc()
        elif result.cached and price_usd is not None:
            self._saved_usd.labels(result.model).inc(to_nano_usd(price_usd))

    def set_queue_length(self, length: int) -> None:
        """Set how many generations of this process wait for their start."""
        self.queue.set(length)

    def count_billing(self, spec: GenerationSpec, billing: Billing) -> None:
        """Count the billing of one API call, even if its caller has left."""
        if billing is Billing.NONE:
            return
        if spec.price_usd is None:
            self._unpriced.labels(spec.model, billing.value).inc()
        else:
            counter = self._billed_usd if billing is Billing.BILLED else self._possible_usd
            counter.labels(spec.model).inc(to_nano_usd(spec.price_usd))

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        if self._shared_folder is None:
            return generate_latest(_in_usd(self.registry))
        _forget_dead(Path(self._shared_folder))
        total = CollectorRegistry()
        MultiProcessCollector(total, self._shared_folder)  # type: ignore[no-untyped-call]
        return generate_latest(_in_usd(total))


def _forget_dead(folder: Path) -> None:
    """Remove the gauges of workers that were killed; their counters stay."""
    for gauges in folder.glob("gauge_live*_*.db"):
        try:
            os.kill(int(gauges.stem.rpartition("_")[2]), 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another worker removed it
                gauges.unlink()


class _InUsd(Collector):
    """Shows money in USD; it is counted in nano-USD, which add up exactly."""

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
