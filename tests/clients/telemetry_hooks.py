# What schemathesis needs to know of the telemetry API beyond its description: a flush may wait for as long as it is asked
# to, which a test bounds.
import schemathesis

MOST_MS = 500


@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict) and isinstance(body.get("deadline_ms"), (int, float)):
        body["deadline_ms"] = min(body["deadline_ms"], MOST_MS)
    return body
