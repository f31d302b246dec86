// How the bot is, and the settings in force.

import { ask } from "/console/api.js";
import { bytes, el, fill, number, say, table, time } from "/console/dom.js";

export async function show(view, { key }) {
  const status = await ask("/status");
  const settings = key.scope === "admin" ? (await ask("/settings")).settings : null;
  const card = (name, ...lines) => el("div", { className: "card" }, el("h2", {}, name), lines.map((line) => el("p", {}, line)));
  const part = ({ name, ok, reason }) => el("p", { className: ok ? "good" : "bad" }, `${name}: ${ok ? "works" : reason}`);
  const { model } = status;
  fill(view,
    el("div", { className: "cards" },
      el("div", { className: "card" }, el("h2", {}, "Parts"), status.parts.map(part)),
      card("Gateway", status.gateway, status.gateway_latency_ms === null ? "" : `${Math.round(status.gateway_latency_ms)} ms`),
      card("Model", `${model.name} ${model.pretrained}`, model.loaded ? "loaded" : "not loaded: the next question loads it", model.runs),
      card("Memory of the bot's process", bytes(status.memory_bytes)),
      card("Disk", `${bytes(status.disk_free_bytes)} free of ${bytes(status.disk_bytes)}`, `database ${bytes(status.database_bytes)}`,
        status.indexing_rests ? "indexing rests: the disk is nearly full" : ""),
      card("Version", status.version, el("span", {}, "since ", time(status.started_ms)))),
    el("h2", {}, "Faults since the start"),
    status.faults.length
      ? table("Faults", ["Work", "#Times", "#In a row", "Last", "What"], status.faults.map((fault) => [
        fault.name, number(fault.count), number(fault.in_a_row), time(fault.at_ms), el("td", { className: "long" }, fault.last)]))
      : el("p", {}, "None."),
    settings && el("h2", {}, "Settings in force"),
    settings && table("Settings", ["Setting", "Value", "From"], settings.map((setting) => [
      el("td", { className: "mono" }, setting.key), el("td", { className: "mono long" }, setting.value), setting.origin])));
  say(status.parts.every((found) => found.ok) ? "Everything works." : "Something does not work.", !status.parts.every((found) => found.ok));
}
