// How far a server is read: in all, and channel by channel.

import { ask } from "/console/api.js";
import { el, fill, many, number, say, table } from "/console/dom.js";

export async function show(view, { guild, guilds }) {
  const totals = guilds.find((found) => found.id === guild);
  const { channels } = await ask(`/guilds/${guild}/channels`);
  const failed = Object.values(totals.failed).reduce((sum, count) => sum + count, 0);
  const cards = [
    ["Can be found", totals.ready], ["Wait", totals.pending], ["Could not be read", failed],
    ["Different pictures", totals.pictures], ["Messages", totals.messages], ["Channels", totals.channels],
  ].map(([name, count]) => el("div", { className: "card" }, el("h2", {}, name), el("p", {}, number(count))));
  const names = new Map(channels.map((channel) => [channel.id, channel.name]));
  const parked = channels.filter((channel) => channel.parked);
  const shown = [...channels].sort((left, right) => right.ready + right.pending - left.ready - left.pending);
  fill(view,
    !totals.consent && channels.some((channel) => !channel.imported) && el("p", { className: "card" }, "Nobody who manages this server has said that it may be read: that takes /reindex start in Discord."),
    el("div", { className: "cards few" }, cards),
    parked.length && el("h2", {}, "Cannot be read now"),
    parked.length && table("Channels that cannot be read", ["Channel", "Reason"], parked.map((channel) => [`#${channel.name}`, el("td", { className: "long" }, channel.parked)])),
    el("h2", {}, "Channels"),
    table("Channels", ["Channel", "Read", "#Found", "#Wait", "#Failed", "#Messages", "Kind"], shown.map((channel) => [
      channel.parent ? `#${names.get(channel.parent) ?? "?"} › ${channel.name}` : `#${channel.name}`,
      share(channel), number(channel.ready), number(channel.pending), number(channel.failed), number(channel.messages),
      `${channel.kind}${channel.imported ? ", imported" : ""}${channel.archived ? ", archived" : ""}`,
    ])),
  );
  say(many(channels.length, "channel"));
}

function share(channel) {
  if (channel.read === null) return "—";
  const percent = Math.floor(channel.read * 100);
  const bar = el("progress", { value: channel.read, max: 1, attributes: { "aria-label": `#${channel.name} is read to ${percent} %` } });
  return el("td", {}, bar, ` ${percent} %`);
}
