"""The model table of one Stills, behind `stills.models`."""

from collections.abc import Iterator, Mapping

from stills.contract.models import Model
from stills.contract.ports.provider import Provider
from stills.loop_guard import LoopGuard

_PATIENCE_SECONDS = 30.0


class ModelTable(Mapping[str, Model]):
    """The models by their exact ids: Stills' own table, with the changes of `STILLS_MODELS`."""

    def __init__(self, models: Mapping[str, Model], provider: Provider, guard: LoopGuard) -> None:
        self._models = models
        self._provider = provider
        self._guard = guard

    def __getitem__(self, model_id: str) -> Model:
        return self._models[model_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    async def list_served(self) -> frozenset[str]:
        """Return the ids that the provider lists, free of charge.

        A listed model may still be refused, for example because the account has no access to it.

        Raises:
            StillsError: the provider gave no list.
        """
        self._guard.check()
        return await self._provider.list_models(timeout_seconds=_PATIENCE_SECONDS)
