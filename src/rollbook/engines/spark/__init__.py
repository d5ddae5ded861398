"""The query on a Spark cluster, or on this machine's Spark, over facts in Parquet files that every worker sees.

The steps are those of `metering.query`; only what dialects say differently is said here (`dialect`). A step that is
worth keeping stays in the memory of the workers, on their disks where it is too large, until the run ends. What comes
back is who was active and how many: the driver never holds the facts.

Owns: the way to a cluster, the facts as it reads them, and a cluster's faults in words.
Does not own: which rows are facts (`intake` and `ledger` have settled it before), or any rule.
"""

from rollbook.engines.spark.facts import hand_over
from rollbook.engines.spark.running import meter, meter_files
from rollbook.engines.spark.session import LOCAL, stop

__all__ = ["LOCAL", "hand_over", "meter", "meter_files", "stop"]
