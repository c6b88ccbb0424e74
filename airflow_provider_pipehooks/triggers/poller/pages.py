"""WATCH: batches under way share their pages: one of Databricks' tells runs of others, too."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_pipehooks.services.batch import Batch, Data, Found, Key


class SharedPages:
    """Who asks for which run now, over all batches under way."""

    def __init__(self) -> None:
        self._asking: dict[Key, Found] = {}

    def begin(self, batch: Batch, on_found: Callable[[Key, Data], object]) -> Found:
        """From now on, what any batch is told of this one's runs is found here; the newest asks."""
        found = Found(batch, on_found=on_found, elsewhere=self._asking.get)
        self._asking.update(dict.fromkeys(batch.wanted, found))
        return found

    def end(self, found: Found) -> None:
        """Look for nothing more."""
        for run_id in found.batch.wanted:
            if self._asking.get(run_id) is found:
                del self._asking[run_id]
