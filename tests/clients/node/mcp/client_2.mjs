// Version 2 of the TypeScript client: over HTTP, and over the standard streams of `stills mcp`.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { report } from "./steps.mjs";
import { over } from "./steps_of_both.mjs";

const [url, command, ...args] = process.argv.slice(2);
const client = () => new Client({ name: "test", version: "0" });

await report({
  http: () => over(client(), new StreamableHTTPClientTransport(new URL(url))),
  stdio: () => over(client(), new StdioClientTransport({ command, args, env: process.env })),
});
