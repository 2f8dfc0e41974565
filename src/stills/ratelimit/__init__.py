"""When an API call may start: the AIMD rule, and the limiter that waits by it."""
