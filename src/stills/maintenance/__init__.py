"""Upkeep of what is stored: recover, rebuild, verify, export."""
