// Vercel's AI SDK with both of its OpenAI adapters, unchanged except for their base URL.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateImage } from "ai";
import { picture, report, size } from "./steps.mjs";

const [adapter, baseURL] = process.argv.slice(2);
const providers = {
  openai: () => createOpenAI({ baseURL, apiKey: "any" }).image("gpt-image-1"),
  compatible: () =>
    createOpenAICompatible({ name: "stills", baseURL, apiKey: "any" }).imageModel("gpt-image-1"),
};
const ask = (request) => generateImage({ model: providers[adapter](), maxRetries: 0, ...request });

async function generate() {
  const { image } = await ask({ prompt: "a yellow kite", size: "1536x1024" });
  return size(image.uint8Array);
}

async function three() {
  const { images } = await ask({ prompt: "three yellow kites", n: 3, size: "1024x1024" });
  return new Set(images.map((image) => image.base64)).size;
}

async function edit_two() {
  const prompt = { text: "both as twins", images: [picture(20), picture(200)] };
  const { image } = await ask({ prompt, size: "1024x1024" });
  return size(image.uint8Array);
}

await report({ generate, three, edit_two });
