// Pictures that were posted more than once, side by side.

import { ask } from "/console/api.js";
import { button, el, failed, fill, many, number, say } from "/console/dom.js";
import { card, moveByKeys } from "/console/pictures.js";

const SHOWN = 5; // copies of a group that are drawn at first

export function show(view, { guild }) {
  const threshold = el("select", { id: "threshold" },
    [["0.95", "copies, also edited ones"], ["0.99", "nearly identical"], ["1", "identical"]].map(([value, text]) => el("option", { value }, text)));
  const groups = el("div", { className: "groups" });
  const more = el("div", { className: "more" });
  let page = 1;

  const load = async () => {
    more.replaceChildren();
    say("Comparing …");
    const found = await ask(`/guilds/${guild}/duplicates`, { query: { threshold: threshold.value, page } });
    groups.append(...found.groups.map(group));
    const newest = found.compared < found.total ? `, the newest of ${number(found.total)}` : "";
    say(`${many(found.found, "picture")} posted more than once, of ${number(found.compared)} compared${newest}`);
    if (found.more) more.append(button("Show more", () => { page += 1; return load(); }));
  };
  const start = () => {
    page = 1;
    groups.replaceChildren();
    load().catch(failed);
  };
  threshold.addEventListener("change", start);
  fill(view, el("div", { className: "row" }, el("label", { htmlFor: "threshold" }, "Show"), threshold), groups, more);
  start();
}

function group({ first, others, copies, confidence }) {
  const grid = el("ol", { className: "grid", attributes: { "aria-label": "The same picture" } });
  const draw = (some) => grid.append(...some.map((post) => el("li", {}, card(post))));
  draw([{ ...first, named: "first" }]);
  draw(others.slice(0, SHOWN).map((post) => ({ ...post, named: post.changes.join(", ") || "again" })));
  moveByKeys(grid);
  const links = [first.link, others[0]?.link].filter(Boolean);
  const both = links.length === 2 && button("Open both", () => links.forEach((link) => open(link, "_blank", "noreferrer,noopener")));
  const hidden = copies - Math.min(others.length, SHOWN);
  return el("section", { className: "card group" },
    el("div", { className: "row" },
      el("h2", {}, `${many(copies + 1, "message")}, ${Math.floor(confidence * 100)} % sure`), both,
      hidden > 0 && el("span", { className: "soft" }, `${number(hidden)} more`)),
    grid);
}
