"""The review of a batch in a browser."""
