"""`make bench`: how many events a second the whole way takes, where the time goes, and whether all arrived."""

from services.ops.bench.report import table
from services.ops.bench.run import Options, bench

__all__ = ["Options", "bench", "table"]
