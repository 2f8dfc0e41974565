"""Searches on Postgres."""

from stills.catalog.postgres import PostgresCatalog
from stills.contract.search import ImageSearch

PLANS = """
SELECT sum(generic_plans) AS generic, sum(custom_plans) AS custom FROM pg_prepared_statements
WHERE statement LIKE '%prompts AS p%' AND statement NOT LIKE '%pg_prepared_statements%'
"""
MODE = "SELECT current_setting('plan_cache_mode') AS mode"


async def test_each_search_is_planned_for_its_own_text(postgres_url):
    """A plan for any text would read every prompt to find that there is none."""
    catalog = PostgresCatalog(postgres_url)
    for _ in range(12):
        await catalog.search_images(ImageSearch(text="hippopotamus"), limit=5, cursor=None)
    row = await catalog.database.search(lambda one: one.execute(PLANS).fetchone())
    assert (row["generic"], row["custom"] > 0) == (0, True)
    mode = await catalog.database.read(lambda one: one.execute(MODE).fetchone()["mode"])
    assert mode == "auto"  # look-ups are planned once
    await catalog.close()
