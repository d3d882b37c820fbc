"""Those in unit and contract need no servers; the others get Kafka and PostgreSQL from conftest.py."""
