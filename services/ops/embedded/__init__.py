"""Real servers without Docker or system packages: Apache Kafka and PostgreSQL as child processes.

Their jars come from Maven Central, their JRE from PyPI; every jar is checked against `jars.sha256`.
"""

from services.ops.embedded.kafka import EmbeddedKafka
from services.ops.embedded.postgres import EmbeddedPostgres
from services.ops.embedded.temporary import temporary_servers

__all__ = ["EmbeddedKafka", "EmbeddedPostgres", "temporary_servers"]
