"""The databases that the tests of the server are given."""

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url


def test_each_test_has_a_database_of_its_own(database_url: str):
    url = make_url(database_url)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE mine (x INTEGER)"))
        assert connection.execute(text("SELECT count(*) FROM mine")).scalar_one() == 0
    engine.dispose()


test_and_the_next_test_finds_it_empty = test_each_test_has_a_database_of_its_own
