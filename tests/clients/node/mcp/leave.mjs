// Starts an MCP server, requests an image, and closes once the request was sent to the service.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [image, command, ...args] = process.argv.slice(2);
const client = new Client({ name: "test", version: "0" });
await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: "pipe" }));
await new Promise((sent, failed) => {
  const onprogress = ({ message }) => message.startsWith("sent") && sent();
  client
    .callTool({ name: "image_generate", arguments: JSON.parse(image) }, undefined, { onprogress })
    .then(() => failed(new Error("it was answered")), failed);
});
await client.close();
