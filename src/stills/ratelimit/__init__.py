"""When a request may start: a pure AIMD rule, and the limiter that waits by it."""
