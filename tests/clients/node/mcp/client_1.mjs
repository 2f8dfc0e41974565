// Version 1 of the TypeScript client: over HTTP, and over the standard streams of `stills mcp`.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { report } from "./steps.mjs";
import { over } from "./steps_of_both.mjs";

const [url, command, ...args] = process.argv.slice(2);
const client = () => new Client({ name: "test", version: "0" });

await report({
  http: () => over(client(), new StreamableHTTPClientTransport(new URL(url))),
  stdio: () => over(client(), new StdioClientTransport({ command, args, env: process.env })),
});
