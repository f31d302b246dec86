// Bundles: what is stored of a server, or of some of its channels, in one file for another bot.

import { ask } from "/console/api.js";
import { button, bytes, el, fill, number, say, time } from "/console/dom.js";
import { follow } from "/console/live.js";

export async function show(view, { guild }) {
  const path = `/guilds/${guild}/bundles`;
  const { channels } = await ask(`/guilds/${guild}/channels`);
  const chosen = el("select", { id: "bundle-channels", multiple: true, size: 6 },
    channels.filter(({ parent }) => parent === null).map(({ id, name }) => el("option", { value: id }, `#${name}`)));
  const list = el("div", { attributes: { "aria-live": "polite" } });
  let mine = null; // the one that is saved by itself when it is ready
  const make = async () => {
    const picked = [...chosen.selectedOptions].map(({ value }) => value);
    ({ id: mine } = await ask(path, { method: "POST", body: { channels: picked.length ? picked : null } }));
    say("It is being made.");
  };
  fill(view,
    el("p", {}, "A bundle brings a server to another Afterimage without reading or embedding anything again: its page Import, or afterimage import, takes it in there. Keep it as you keep members' messages."),
    el("div", { className: "card row" },
      el("label", { className: "field", htmlFor: chosen.id }, "Only these channels, with their threads (none: the whole server)", chosen), button("Make a bundle", make, "primary")),
    el("h2", {}, "Bundles, the newest first"), list);
  return follow(`${path}/events`, "bundles", ({ bundles }) => {
    list.replaceChildren(...bundles.map((bundle) => described(bundle, path)));
    if (!bundles.length) list.append(el("p", { className: "soft" }, "None was made since the bot has started."));
    if (bundles.some(({ id, state }) => id === mine && state === "ready")) {
      document.getElementById(`bundle-${mine}`).click();
      mine = null;
    }
  });
}

function described(bundle, path) {
  const { id, state, step, done, total } = bundle;
  const remove = () => ask(`${path}/${id}`, { method: "DELETE" });
  return el("section", { className: "card" },
    el("div", { className: "row" }, el("strong", {}, bundle.name), el("span", { className: "soft" }, bundle.channels ? `${number(bundle.channels.length)} of its channels` : "the whole server"), time(bundle.began_ms),
      state === "ready" && el("a", { id: `bundle-${id}`, href: `/api/v1${path}/${id}/file`, download: bundle.name }, `Save (${bytes(bundle.bytes)})`),
      state !== "gone" && button(state === "making" ? "Cancel" : "Delete", remove)),
    state === "making" && step && el("p", {}, `${step}: ${number(done)}${total === null ? "" : ` of ${number(total)}`}`),
    state === "making" && el("progress", { className: "wide-bar", attributes: { "aria-label": `Bundle ${id} is being made` }, ...(total ? { max: total, value: done } : {}) }),
    state === "ready" && el("p", { className: "soft" }, "It can be saved once, until ", time(bundle.expires_ms)),
    bundle.reason && el("p", { className: "soft" }, bundle.reason));
}
