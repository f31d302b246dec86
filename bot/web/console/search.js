// Search: drop, paste or type; filters as chips; more like this.

import { ask, whileShown } from "/console/api.js";
import { button, el, failed, many, number, say } from "/console/dom.js";
import { card, moveByKeys } from "/console/pictures.js";

// What the grammar knows, as chips that write it, each with what it does: docs/search.md.
const HINTS = new Map([
  ["in:#", "only in this channel"], ["-in:#", "not in this channel"], ["from:@", "posted by this member"],
  ["after:", "since this day: 2024-05-01"], ["before:", "until this day"], ["color:", "shows this colour: red, #aa3311"],
  ["has:gif", "only animations"], ["has:embed", "only pictures of links"], ["has:sticker", "only stickers"],
  ["has:text", "only pictures with words in them"], ["tag:", "has this tag"], ['"exact words"', "said in the message just so"],
  ["-", "without what this word names"],
]);
const FILTER = /-?(?:in|from|after|before|has|tag|count|min|weight|diverse|colou?r|camera|lens|near):(?:"[^"]*"|\S+)|"[^"]*"|(?<=^|\s)-\S+/gi;

let listening = null;

export function show(view, { guild, key, query }) {
  listening?.abort();
  listening = new AbortController();
  const wanted = query.get("like") ?? "";
  const like = /^[0-9]{1,19}$/.test(wanted) ? wanted : ""; // a link may hold anything, also another path of this server
  const state = { picture: null, like, page: 1, asking: null };

  const words = el("input", {
    id: "words", type: "search", value: query.get("q") ?? "", placeholder: "cat in the rain  in:#memes  after:2024",
    autocomplete: "off", maxLength: 1000,
  });
  const file = el("input", { type: "file", id: "file", accept: "image/*", hidden: true, tabIndex: -1, attributes: { "aria-label": "Picture to search with" } });
  const choose = button("Picture…", () => file.click());
  const form = el("form", { attributes: { role: "search", "aria-label": "Pictures" } },
    el("div", { className: "row" },
      el("label", { htmlFor: "words" }, "Look for"), el("div", { className: "wide row" }, words),
      el("button", { className: "primary" }, "Search"), choose, file));
  words.className = "wide";
  const chips = el("ul", { className: "chips", attributes: { "aria-label": "Filters" } });
  const asked = el("div");
  const grid = el("ol", { className: "grid", attributes: { "aria-label": "Pictures found" } });
  const more = el("div", { className: "more" });
  moveByKeys(grid);
  const byKeys = el("p", { className: "soft keys" }, "Keys: / writes, arrows go from picture to picture, Enter opens the message, M asks for more like it.");
  view.replaceChildren(form, chips, asked, grid, more, byKeys);

  const drawChips = () => {
    const on = [...words.value.matchAll(FILTER)].map((match) => match[0]);
    const remove = (text) => {
      words.value = words.value.replace(text, "").replace(/\s+/g, " ").trim();
      start();
    };
    const add = (text) => {
      words.value = `${words.value.trimEnd()} ${text}`.trimStart();
      words.focus();
      if (/[a-z]$/.test(text)) start();
      else drawChips();
    };
    chips.replaceChildren(
      ...on.map((text) => el("li", {}, named(button(`${text} ×`, () => remove(text), "on"), `Remove ${text}`))),
      ...[...HINTS].filter(([hint]) => !on.includes(hint)).map(([hint, what]) => {
        const chip = named(button(hint === "-" ? "-word" : hint, () => add(hint)), `Add ${hint}: ${what}`);
        chip.title = what;
        return el("li", {}, chip);
      }),
    );
  };

  const drawAsked = () => {
    asked.replaceChildren();
    if (!state.picture && !state.like) return;
    const source = state.picture ? URL.createObjectURL(state.picture) : `/api/v1/guilds/${guild}/places/${state.like}/thumbnail`;
    const image = el("img", { src: source, alt: state.picture ? "the picture that you chose" : "the picture that you asked with" });
    if (state.picture) image.addEventListener("load", () => URL.revokeObjectURL(source), { once: true });
    asked.append(el("div", { className: "asked" }, image, "Pictures like this one",
      named(button("×", () => { state.picture = null; state.like = ""; start(); }), "Search without this picture")));
  };

  const start = () => {
    state.page = 1;
    grid.replaceChildren();
    drawChips();
    drawAsked();
    const kept = new URLSearchParams();
    if (words.value) kept.set("q", words.value);
    if (state.like) kept.set("like", state.like);
    history.replaceState(null, "", `#/search${kept.size ? `?${kept}` : ""}`);
    return load();
  };

  const load = async () => {
    state.asking?.abort();
    const asking = state.asking = new AbortController();
    more.replaceChildren();
    say("Searching …");
    const path = state.like ? `/guilds/${guild}/places/${state.like}/similar` : `/guilds/${guild}/search`;
    const options = { query: { q: words.value, page: state.page }, signal: whileShown(asking) };
    if (state.picture) Object.assign(options, { method: "POST", picture: state.picture });
    try {
      const found = await ask(path, options);
      grid.append(...found.hits.map((hit) => el("li", {}, card(hit, askWith, tagged))));
      const shown = grid.children.length;
      say(shown ? `${many(shown, "picture")} shown, ${number(found.searched)} looked through, ${Math.round(found.took_ms)} ms` : "Nothing was found. Try fewer filters.");
      if (found.more) more.append(button("Show more", () => { state.page += 1; return load(); }));
    } catch (error) {
      failed(error);
    }
  };

  const askWith = (shown) => {
    state.picture = null;
    state.like = shown.place;
    scrollTo({ top: 0 });
    return start();
  };

  const tagged = {
    find: (tag) => { words.value = `${words.value.trimEnd()} ${asFilter(tag)}`.trimStart(); return start(); },
    change: key.scope === "read" ? null : async (shown, add, remove) => {
      const { tags } = await ask(`/guilds/${guild}/places/${shown.place}/tags`, { method: "POST", body: { add, remove } });
      say(`The picture has ${many(tags.length, "tag")} now.`);
      return tags;
    },
  };

  const take = (picture) => {
    if (!picture?.type.startsWith("image/")) return say("That is no picture.", true);
    state.picture = picture;
    state.like = "";
    return start();
  };

  form.addEventListener("submit", (event) => { event.preventDefault(); start(); });
  words.addEventListener("input", drawChips);
  file.addEventListener("change", () => take(file.files[0]));
  const { signal } = listening;
  document.addEventListener("paste", (event) => {
    const item = [...(event.clipboardData?.items ?? [])].find((found) => found.kind === "file");
    if (item) { event.preventDefault(); take(item.getAsFile()); }
  }, { signal });
  document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); }, { signal });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); }, { signal });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    take(event.dataTransfer.files[0]);
  }, { signal });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|SELECT/.test(document.activeElement.tagName)) { event.preventDefault(); words.focus(); }
  }, { signal });
  start();
  return () => listening.abort();
}

const asFilter = (tag) => (tag.includes(" ") ? `tag:"${tag}"` : `tag:${tag}`);

function named(made, label) {
  made.setAttribute("aria-label", label);
  return made;
}
