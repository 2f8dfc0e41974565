// OpenAI's package for Node, unchanged except for its base URL.
import OpenAI, { toFile } from "openai";
import { picture, report, size } from "./steps.mjs";

const client = new OpenAI({ apiKey: "any", baseURL: process.argv[2], maxRetries: 0 });
const decode = (image) => size(Buffer.from(image.b64_json, "base64"));

async function generate() {
  const answer = await client.images.generate({
    model: "gpt-image-1", prompt: "a blue kite", size: "1536x1024", quality: "high",
  });
  return decode(answer.data[0]);
}

async function edit_two() {
  const answer = await client.images.edit({
    model: "gpt-image-1",
    prompt: "both on one table",
    image: [await toFile(picture(20), "a.png"), await toFile(picture(200), "b.png")],
    size: "1024x1024",
  });
  return decode(answer.data[0]);
}

async function stream() {
  const seen = [];
  const events = await client.images.generate({
    model: "gpt-image-1", prompt: "a blue kite, streamed", size: "1024x1024", stream: true,
  });
  for await (const event of events) seen.push([event.type, decode(event)]);
  return seen;
}

async function refuse() {
  try {
    await client.images.generate({ model: "qwen-image-max", prompt: "" });
  } catch (error) {
    if (error instanceof OpenAI.BadRequestError) return error.param;
    throw error;
  }
}

await report({ generate, edit_two, stream, refuse });
