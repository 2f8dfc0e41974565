// Run the steps of a client's program, each on its own, and print what each did as JSON.
import { deflateSync, crc32 } from "node:zlib";

export async function report(steps) {
  const done = {};
  for (const [name, step] of Object.entries(steps)) {
    try {
      done[name] = { did: await step() };
    } catch (error) {
      done[name] = { error: error.name, message: error.message, traceback: error.stack };
    }
  }
  console.log(JSON.stringify(done));
  process.exit(0); // some clients keep sockets open
}

export function size(png) {
  const data = Buffer.from(png);
  if (data.toString("latin1", 1, 4) !== "PNG") throw new Error("not a PNG");
  return [data.readUInt32BE(16), data.readUInt32BE(20)];
}

export function picture(shade) {
  const rows = Buffer.alloc(64 * 65, shade);
  for (let row = 0; row < 64; row++) rows[row * 65] = 0;
  const header = Buffer.from([0, 0, 0, 64, 0, 0, 0, 64, 8, 0, 0, 0, 0]);
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const length = Buffer.alloc(4);
    const sum = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0)),
  ]);
}
