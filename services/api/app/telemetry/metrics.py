"""What this process counts, as Prometheus reads it at `/metrics`."""

from prometheus_client import Counter

WITHOUT_REDIS = Counter(
    "groundplan_without_redis", "Operations that were done without Redis, since it was away"
)
UNKNOWN_SESSIONS = Counter(
    "groundplan_unknown_sessions",
    "Tokens of sessions that Redis does not know: they ended, or it was flushed",
)
SHED_REQUESTS = Counter(
    "groundplan_shed_requests", "Requests refused unseen, as there were too many"
)
