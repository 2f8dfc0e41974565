"""The way of one request. Start at generate.py."""
