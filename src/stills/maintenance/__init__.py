"""Maintenance of the catalog and the store: recover, rebuild, verify, export."""
