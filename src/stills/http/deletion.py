"""Deletion of images for HTTP requests, by the route and by MCP."""

from starlette.requests import Request

from stills.app import Stills
from stills.contract.errors import StillsError
from stills.http.access_log import get_log_entry
from stills.http.auth import get_budget_owner
from stills.http.image_files import ImageFiles
from stills.http.settings import Settings
from stills.service.deletion import delete_image


class HttpDeletion:
    """Deletes the images that HTTP requests may delete; one for each worker."""

    def __init__(self, stills: Stills, settings: Settings, image_files: ImageFiles) -> None:
        self._stills = stills
        self._settings = settings
        self._image_files = image_files

    async def delete_and_log(self, http_request: Request, image_id: str) -> None:
        """Delete an image in all its sizes, and log the outcome.

        Raises:
            StillsError: see `stills.service.deletion.delete_image`.
        """
        try:
            image = await delete_image(
                self._stills,
                image_id,
                owner=get_budget_owner(http_request),
                anyone=self._settings.anyone,
            )
        except StillsError as error:
            get_log_entry(http_request).error = error.code
            raise
        self._image_files.forget(image.generation.id)
