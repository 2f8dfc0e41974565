"""How much work a page of images is, in steps of SQLite's own."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from stills.catalog.schema import open_in_memory
from stills.catalog.search import list_labels, search_images
from stills.catalog.sqlite_catalog import _TRIGRAMS
from stills.contract.search import ImageSearch

PAGE = 60

GENERATIONS = """
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO generations (
    id, key, seeded_key, provider, model, prompt, style, text, native_width, native_height, seed,
    stage, created_at, sha256, byte_count, object_path
)
SELECT printf('%012x', i), i, i, 'sandbox', 'qwen-image-max', 'a red kite ' || i,
       CASE i % 2 WHEN 0 THEN 'oil' END, '', 64, 64, i, 'kept', i, '', 1, i || '.png'
FROM n
"""
RENDITIONS = """
INSERT INTO renditions
SELECT id, width, 64, '', 1, object_path, created_at
FROM generations, (SELECT 64 AS width UNION ALL SELECT 128)
"""
PROMPTS = "INSERT INTO prompts (rowid, prompt) SELECT sequence, prompt FROM generations"


def catalog_of(count: int) -> sqlite3.Connection:
    """Make a catalog with that many images, each in two sizes."""
    connection = open_in_memory()
    for statement in (GENERATIONS, RENDITIONS, PROMPTS):
        connection.execute(statement, {"count": count})
    return connection


def count_steps(count: int, work: Callable[[sqlite3.Connection], object]) -> int:
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    with closing(catalog_of(count)) as connection:
        connection.set_progress_handler(step, 10)
        work(connection)
    return steps


def page_of(search: ImageSearch) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: search_images(connection, search, _TRIGRAMS, limit=PAGE, cursor=None)


@pytest.mark.parametrize(
    "work",
    [
        page_of(ImageSearch(largest_only=True)),
        page_of(ImageSearch(largest_only=True, older_than=f"{150:012x}")),
        page_of(ImageSearch(largest_only=True, newer_than=f"{50:012x}")),
        page_of(ImageSearch(largest_only=True, model="qwen-image-max", style="oil")),
        page_of(ImageSearch(largest_only=True, words=("kite", "red"))),
        lambda connection: list_labels(connection, limit=200),
    ],
    ids=["newest", "older", "newer", "style", "words", "labels"],
)
def test_a_page_of_many_images_is_as_much_work_as_one_of_few(work):
    """Twenty times as many images in the catalog make no difference."""
    assert count_steps(4000, work) < 1.5 * count_steps(200, work)
