// Jobs that read history, live.

import { ask } from "/console/api.js";
import { button, duration, el, fill, number, say, time } from "/console/dom.js";
import { follow } from "/console/live.js";

const ACTIONS = { running: ["pause", "cancel"], paused: ["resume", "cancel"] };
const WORDS = { server: "the whole server", channel: "one channel", failed: "what failed" };

export function show(view, { guild, key }) {
  const list = el("div");
  const may = key.scope !== "read";
  const start = (scope) => ask(`/guilds/${guild}/jobs`, { method: "POST", body: { scope } }).then(() => say("Started."));
  const draw = ({ jobs }) => {
    list.replaceChildren(...jobs.map((job) => described(job, may, (action) => (
      ask(`/guilds/${guild}/jobs/${job.id}/${action}`, { method: "POST" }).then(() => say(`Job ${job.id}: ${action}.`))))));
    if (!jobs.length) list.append(el("p", { className: "soft" }, "There was no job yet."));
  };
  fill(view,
    may && el("div", { className: "row" }, button("Read the whole server again", () => start("server"), "primary"), button("Try again what failed", () => start("failed"))),
    el("h2", {}, "Newest first"), list);
  return follow(`/guilds/${guild}/jobs/events`, "jobs", draw);
}

function described(job, may, change) {
  const { progress } = job;
  const title = `Job ${job.id}: ${WORDS[job.scope]}${job.imported ? " of an archive" : ""}`;
  return el("section", { className: "card job" },
    el("div", { className: "row" }, el("strong", {}, title), el("span", { className: "soft" }, job.state),
      may && (ACTIONS[job.state] ?? []).map((action) => button(action, () => change(action)))),
    progress && el("progress", { className: "wide-bar", value: progress.fraction, max: 1, attributes: { "aria-label": `Job ${job.id} is done to ${Math.floor(progress.fraction * 100)} %` } }),
    progress && el("p", {}, [
      `${Math.floor(progress.fraction * 100)} %`, `${number(progress.channels_done)} of ${number(progress.channels_total)} channels`,
      `${number(progress.messages)} messages`, `${number(progress.places_done)} of ${number(progress.places_total)} pictures`,
      progress.failed ? `${number(progress.failed)} failed` : "", progress.seconds_left === null ? "" : `about ${duration(progress.seconds_left)} left`,
    ].filter(Boolean).join(" · ")),
    job.reason && el("p", {}, job.reason),
    el("p", { className: "soft" }, "started ", time(job.created_ms)));
}
