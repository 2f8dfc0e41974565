"""What the core needs from adapters. Each port has one conformance suite that every adapter runs.

A port documents its methods once, so adapters don't repeat the docstrings. Take the smallest port
that has what you use.
"""
