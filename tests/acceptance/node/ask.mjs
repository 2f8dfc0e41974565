import { File } from "node:buffer";
import OpenAI, { toFile } from "openai";

globalThis.File ??= File; // not a global in Node 18, the version in Debian 12

const client = new OpenAI({ apiKey: "any", baseURL: process.argv[2], maxRetries: 0 });
const made = await client.images.generate({ prompt: "a red kite", size: "512x512" });
const png = Buffer.from(made.data[0].b64_json, "base64");
const linked = Buffer.from(await (await fetch(made.data[0].url)).arrayBuffer());
const edited = await client.images.edit({
  model: "qwen-image-2.0",
  prompt: "the same, at dusk",
  image: await toFile(png, "kite.png", { type: "image/png" }),
});
let refused = null;
try {
  await client.images.generate({ prompt: "a red kite", model: "dall-e-3" });
} catch (error) {
  refused = error instanceof OpenAI.BadRequestError && error.param;
}
console.log(JSON.stringify({ same: png.equals(linked), edited: edited.data.length, refused }));
