// Who did what.

import { ask } from "/console/api.js";
import { el, fill, number, say, table, time } from "/console/dom.js";

export async function show(view, { guilds }) {
  const { entries } = await ask("/audit", { query: { count: 200 } });
  const server = (id) => guilds.find((found) => found.id === id)?.name ?? id ?? "—";
  const who = (entry) => (entry.key !== null ? `key ${entry.key}` : entry.actor !== null ? `member ${entry.actor}` : "the bot");
  fill(view, table("Audit log", ["When", "What", "Server", "Who", "Detail", "Request"], entries.map((entry) => [
    time(entry.at_ms), entry.action, server(entry.guild), who(entry),
    el("td", { className: "long mono" }, Object.entries(entry.detail).map(([name, value]) => `${name} ${value}`).join(", ")),
    el("td", { className: "mono" }, entry.request ?? "—"),
  ])));
  say(`The newest ${number(entries.length)} lines`);
}
