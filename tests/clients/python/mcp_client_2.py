"""Version 2 of the MCP package."""

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_steps import report_both

report_both(Client, StdioServerParameters, lambda url: url, stdio_client)
