"""Users of the server."""

import secrets

import pytest
from tests.support.postgres_server import PostgresServer
from tests.support.unusable_catalog import SECRET


@pytest.fixture
def add_user(postgres_server: PostgresServer):
    """Add a user with SECRET as the password; returns the name."""
    names = []

    def add(options: str = "") -> str:
        names.append(f"user_{secrets.token_hex(4)}")
        postgres_server.run(f"CREATE ROLE {names[-1]} LOGIN PASSWORD '{SECRET}' {options}")
        return names[-1]

    yield add
    for name in names:
        postgres_server.run(f"DROP ROLE {name}")
