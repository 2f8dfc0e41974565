"""What the HTTP API and the MCP server share: one image per call, and its records as JSON."""
