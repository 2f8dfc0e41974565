"""The MCP server: tools and resources for agents, with the same images."""
