"""The schema is complete and explains itself, and every named query fits it."""
import pathlib
import re

import psycopg2
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUERIES = sorted((ROOT / "src/store/sql").glob("*.sql"))
MIGRATIONS = sorted((ROOT / "migrations").glob("*.sql"))


@pytest.fixture(scope="module")
def cursor(cluster, migrated_template):
    connection = psycopg2.connect(cluster.create(migrated_template))
    connection.autocommit = True
    with connection.cursor() as made:
        yield made
    connection.close()


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_query_prepares(cursor, path):
    text = path.read_text()
    assert re.match(r"-- \S.*", text), "the first line says what the query answers"
    assert re.fullmatch(r"[a-z][a-z0-9_]*", path.stem)
    cursor.execute(f"PREPARE {path.stem}_test AS {text}")
    for other in re.findall(r"^-- as ([a-z_]+):", text, re.M):
        shorter = "\n".join(line for line in text.split("\n") if not line.endswith(f"-- not in {other}"))
        assert shorter != text
        cursor.execute(f"PREPARE {other}_test AS {shorter}")


def test_queries_are_one_statement():
    for path in QUERIES:
        code = re.sub(r"--[^\n]*|'(?:[^']|'')*'", "", path.read_text())
        assert ";" not in code, path.name


def test_every_table_and_column_has_a_comment(cursor):
    cursor.execute("""
        SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p') AND a.attnum > 0
          AND NOT a.attisdropped AND coalesce(col_description(c.oid, a.attnum), '') = ''
        UNION ALL
        SELECT relname, '' FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')
          AND coalesce(obj_description(oid, 'pg_class'), '') = ''""")
    assert cursor.fetchall() == []
    cursor.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
    assert cursor.fetchone()[0] > 5


def test_migrations_are_numbered_without_gaps():
    assert [int(path.name[:4]) for path in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", path.name) for path in MIGRATIONS)


def test_foreign_keys_of_big_tables_have_an_index(cursor):
    """Deleting or locking a referenced row must not scan a big table."""
    cursor.execute("""
        SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint c
        WHERE c.contype = 'f' AND c.conrelid::regclass::text = ANY
              (ARRAY['comparison', 'response', 'item', 'annotator', 'retraction'])
          AND c.confrelid::regclass::text <> 'token'
          AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid
                          AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)""")
    assert cursor.fetchall() == []
