// Sends a file in parts. A part that came before is not sent again: that is known by its checksum, not by the file's name.

import { ask } from "/console/api.js";

const TABLE = Array.from({ length: 256 }, (_, at) => {
  let value = at;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/** CRC-32. A browser's own checksums are there for pages with TLS alone. */
export function crc32(data) {
  let value = 0xffffffff;
  for (const byte of data) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return ((value ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
}

/** `told` hears which share of the file is there, 0 to 1. Throws what the server refuses; then it can be called again. */
export async function upload(file, told) {
  const { uploads } = await ask("/uploads");
  const begun = uploads.find((found) => found.name === file.name && found.bytes === file.size)
    ?? await ask("/uploads", { method: "POST", body: { name: file.name, bytes: file.size } });
  const there = new Map(begun.there.map((sent) => [sent.part, sent.crc32]));
  const sums = [];
  for (let part = 0; part < begun.parts; part += 1) {
    const data = new Uint8Array(await file.slice(part * begun.part_bytes, (part + 1) * begun.part_bytes).arrayBuffer());
    sums.push(crc32(data));
    if (there.get(part) !== sums[part]) await ask(`/uploads/${begun.id}/parts/${part}`, { method: "PUT", query: { crc32: sums[part] }, picture: data });
    told((part + 1) / begun.parts);
  }
  await ask(`/uploads/${begun.id}/finish`, { method: "POST", body: { crc32: sums } });
}
