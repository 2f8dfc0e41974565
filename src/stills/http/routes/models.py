"""The models, as OpenAI's clients list them."""

from datetime import UTC, datetime, time
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from stills.http.errors import not_found
from stills.http.generation import HttpGeneration
from stills.http.model_names import list_names
from stills.http.openapi import refusals


class ModelBody(BaseModel):
    """A model; `created` is when its entry in our model table was last checked."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "alibaba-cloud"


class ModelsBody(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelBody]


def make_models_router(generation: HttpGeneration) -> APIRouter:
    """Serve the models, and this service's aliases for them."""
    router = APIRouter(prefix="/v1", tags=["OpenAI"])
    names = list_names(generation.settings.model_aliases, generation.stills.models)
    bodies = {
        name: ModelBody(
            id=name,
            created=int(datetime.combine(model.checked_on, time(), UTC).timestamp()),
        )
        for name, model in names.items()
    }

    @router.get("/models", responses=refusals())
    async def list_models() -> ModelsBody:
        """List the models, and this service's aliases for them."""
        return ModelsBody(data=list(bodies.values()))

    @router.get("/models/{model_id:path}", response_model=ModelBody, responses=refusals(404))
    async def show_model(model_id: str) -> Response:
        """Show one model."""
        if model_id not in bodies:
            return not_found("No model has this id; /v1/models lists all models.")
        return JSONResponse(bodies[model_id].model_dump())

    return router
