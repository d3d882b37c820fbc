"""The readable schema and the way there: a database built from each is the same."""

from __future__ import annotations

from importlib import resources

import asyncpg
import pytest

from services.kit import migrations
from services.ops.process import NAMES, package_of
from tests import schema_diff, servers

PACKAGES = ["services.kit", *(package_of(name) for name in NAMES)]


def schema_of(package: str) -> str:
    return resources.files(package).joinpath("sql/schema.sql").read_text()


async def build_from_schema(dsn: str, package: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for part in dict.fromkeys(["services.kit", package]):
            await connection.execute(schema_of(part))
    finally:
        await connection.close()


@pytest.mark.parametrize("package", PACKAGES)
async def test_migrations_lead_to_the_schema_that_is_written_down(
    package: str, postgres: servers.Postgres, unique: str
) -> None:
    with (
        postgres.empty_database(f"test_{unique}_migrated") as migrated,
        postgres.empty_database(f"test_{unique}_written") as written,
    ):
        assert await migrations.migrate(migrated, package) > 0
        await build_from_schema(written, package)
        assert await schema_diff.differences(migrated, written) == []
        assert any(line.startswith("table position") for line in await schema_diff.catalog(written))
        # Done is done.
        assert await migrations.migrate(migrated, package) == 0
        assert await schema_diff.differences(migrated, written) == []


CHANGES = {
    "ALTER TABLE position ADD COLUMN more text": "+ column position.more text",
    "ALTER TABLE position ALTER COLUMN touched DROP NOT NULL": "+ column position.touched uuid[] default",
    "ALTER TABLE position ALTER COLUMN epoch SET DEFAULT 1": "+ column position.epoch bigint not null default 1",
    "ALTER TABLE position ALTER COLUMN applied TYPE integer": "+ column position.applied integer not null",
    "ALTER TABLE position DROP CONSTRAINT position_check": "- constraint position.position_check CHECK",
    "ALTER TABLE position SET (fillfactor = 60)": "+ table position fillfactor=60",
    "CREATE INDEX extra ON api_key (name)": "+ index CREATE INDEX extra ON public.api_key",
    "DROP INDEX command_outcome_at": "- index CREATE INDEX command_outcome_at",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'": "+ function CREATE OR REPLACE FUNCTION public.f",
    "CREATE VIEW v AS SELECT 1 AS one": "+ view v",
    "CREATE TYPE mood AS ENUM ('good', 'better')": "+ type mood good, better",
    "COMMENT ON COLUMN api_key.name IS 'whose'": "+ comment on api_key name whose",
    "CREATE TABLE p (id uuid) PARTITION BY RANGE (id)": "+ partitioned table p partition by RANGE (id)",
    "CREATE TABLE p_default PARTITION OF p DEFAULT": "+ table p_default partition DEFAULT",
    "CREATE TABLE n (number bigint GENERATED ALWAYS AS IDENTITY)": "+ column n.number bigint not null identity always",
}


async def test_the_comparison_sees_every_kind_of_difference(postgres: servers.Postgres, unique: str) -> None:
    with (
        postgres.empty_database(f"test_{unique}_one") as one,
        postgres.empty_database(f"test_{unique}_other") as other,
    ):
        for dsn in (one, other):
            await build_from_schema(dsn, "services.kit")
        connection = await asyncpg.connect(other)
        for change in CHANGES:
            await connection.execute(change)
        await connection.close()
        found = await schema_diff.differences(one, other)
    assert [seen for seen in CHANGES.values() if not any(line.startswith(seen) for line in found)] == [], found
