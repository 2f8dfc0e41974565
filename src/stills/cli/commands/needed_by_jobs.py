"""Which stored images unfinished jobs need: those they have made, and their references."""

import re
import sys

from stills.app import Stills
from stills.assembly import has_jobs
from stills.config import read_config
from stills.contract.errors import JobsError
from stills.contract.jobs import Job, JobResult

_IMAGE_ID = re.compile(r"([0-9a-f]{12})-[0-9]{1,8}x[0-9]{1,8}", re.ASCII)
_JOBS, _RESULTS = 100, 256  # of a page


async def find_needed_by_jobs(stills: Stills) -> set[str]:
    """Return the ids of the generations that jobs need which are not done.

    Raises:
        JobsError: the database of jobs can't be read.
    """
    if not has_jobs(read_config()):
        return set()
    needed: set[str] = set()
    try:
        before: str | None = None
        while jobs := await stills.jobs.list(limit=_JOBS, before=before):
            for job in jobs:
                if job.state.is_active:
                    needed |= await _find_images(stills, job)
            before = jobs[-1].id
    except JobsError as error:
        if not isinstance(error.__cause__, ImportError):
            raise
        print(f"note: jobs were not checked, because {error.message}", file=sys.stderr)
    return needed


async def _find_images(stills: Stills, job: Job) -> set[str]:
    found: set[str] = set()
    after = -1
    while page := await stills.jobs.results(job.id, after=after, limit=_RESULTS):
        for one in page:
            found |= _ids(one)
        after = page[-1].position
    return found


def _ids(one: JobResult) -> set[str]:
    references = [text for text in one.shot.references if isinstance(text, str)]
    made = [one.result.id] if one.result else []
    return {found[1] for text in (*references, *made) for found in _IMAGE_ID.finditer(text)}
