// Pictures that could not be read.

import { ask } from "/console/api.js";
import { button, el, failed, fill, many, number, say, table, time } from "/console/dom.js";

export async function show(view, { guild, key }, page = 1, reason = "") {
  const [{ guilds }, found] = await Promise.all([ask("/guilds"), ask(`/guilds/${guild}/failures`, { query: { page, reason } })]);
  const counts = Object.entries(guilds.find(({ id }) => id === guild)?.failed ?? {});
  const again = (at = page, why = reason) => show(view, { guild, key }, at, why);
  const reasons = el("select", { attributes: { "aria-label": "Reason" } },
    el("option", { value: "" }, "Every reason"),
    counts.map(([name, count]) => el("option", { value: name, selected: name === reason }, `${name} (${number(count)})`)));
  reasons.addEventListener("change", () => again(1, reasons.value).catch(failed));
  const retry = async () => {
    const { places } = await ask(`/guilds/${guild}/failures/retry`, { method: "POST", query: { reason } });
    await again();
    say(`${many(places, "picture")} will be tried again within a minute.`);
  };
  fill(view,
    el("div", { className: "row" },
      counts.length > 0 && reasons,
      key.scope !== "read" && found.total > 0 && button(reason ? "Try these again" : "Try all again", retry, "primary"), button("Look again", () => again()),
      page > 1 && button("Newer", () => again(page - 1)),
      found.more && button("Older", () => again(page + 1))),
    el("h2", {}, "The newest message first"),
    table("Failures", ["Picture", "Channel", "Reason", "#Tries", "Next try", "Message"], found.failures.map((failure) => [
      el("td", { className: "long" }, failure.file_name || "—"), `#${failure.channel_name}`, el("td", { className: "long" }, failure.sentence),
      number(failure.attempts), failure.next_attempt_ms === null ? "not by itself" : time(failure.next_attempt_ms),
      failure.link ? el("a", { href: failure.link, target: "_blank", rel: "noreferrer noopener" }, "Open") : failure.message,
    ])));
  say(found.total ? `${many(found.total, "picture")} could not be read` : "Every picture could be read.");
}
