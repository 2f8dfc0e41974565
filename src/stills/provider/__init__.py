"""Providers: DashScope through its own SDK."""
