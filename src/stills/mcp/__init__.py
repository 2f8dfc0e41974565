"""The MCP door: the same images, as tools and resources of an agent."""
