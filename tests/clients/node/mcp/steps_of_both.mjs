// What each version of the client does: list, make an image, read it, ask for an impossible one.
import { size } from "./steps.mjs";

export async function over(client, transport) {
  await client.connect(transport);
  const { tools } = await client.listTools();
  const call = (prompt) =>
    client.callTool({ name: "image_generate", arguments: { prompt, size: "512x512" } });
  const made = await call("a blue kite");
  if (made.isError) throw new Error(made.content[0].text);
  const { uri } = made.content.find((part) => part.type === "resource_link");
  const { contents } = await client.readResource({ uri });
  const refused = await call("");
  await client.close();
  return {
    tools: tools.some((tool) => tool.name === "image_generate"),
    answer: [made.structuredContent.width, made.structuredContent.height],
    resource: size(Buffer.from(contents[0].blob, "base64")),
    refused: refused.isError,
  };
}
