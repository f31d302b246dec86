// Archives: what lies in the folder for them, importing one, and bringing a file in.

import { ask } from "/console/api.js";
import { button, bytes, el, fill, many, number, say, table, time } from "/console/dom.js";
import { follow } from "/console/live.js";
import { upload } from "/console/upload.js";

export async function show(view, context) {
  const folder = el("div");
  const imports = el("div", { attributes: { "aria-live": "polite" } });
  const state = { path: "" };
  const open = async (path, page = 1) => {
    const listing = await ask("/archives", { query: { path, page } });
    state.path = path;
    fill(folder, listing.uploads > 0 && uploading(() => open(state.path)), trail(path, open), entries(listing, open, begin));
  };
  const begin = async (path, options) => {
    await ask("/imports", { method: "POST", body: { path, ...options } });
    say(options.dry_run ? "Looking through it …" : "It is looked through, then imported.");
  };
  try {
    await open("");
  } catch (error) {
    if (error.status !== 409) throw error;
    fill(view, el("p", {}, "To import archives here, name a folder for them in the configuration: "), el("pre", {}, '[web]\narchives = "/srv/archives"\nupload_bytes = 2000000000'));
    return say(error.message);
  }
  fill(view, folder, el("h2", {}, "Imports, the newest first"), imports);
  return follow("/imports/events", "imports", (found) => {
    imports.replaceChildren(...found.imports.map((listed) => described(listed, context, begin)));
    if (!found.imports.length) imports.append(el("p", { className: "soft" }, "Nothing was imported since the bot has started."));
  });
}

function trail(path, open) {
  const parts = path ? path.split("/") : [];
  return el("nav", { className: "row", attributes: { "aria-label": "Folder" } }, button("Archives", () => open(""), "quiet"),
    parts.map((part, at) => [el("span", {}, "/"), button(part, () => open(parts.slice(0, at + 1).join("/")), "quiet")]).flat());
}

function entries({ path, entries: found, page, more }, open, begin) {
  const inside = (name) => (path ? `${path}/${name}` : name);
  const collection = (name) => {
    const called = prompt("A folder of pictures comes in under a name:", name);
    return called ? begin(inside(name), { name: called }) : undefined;
  };
  const rows = found.map((entry) => [
    el("td", { className: "long" }, entry.folder ? button(`${entry.name}/`, () => open(inside(entry.name)), "quiet") : entry.name),
    entry.folder ? "" : bytes(entry.bytes), time(entry.changed_ms),
    el("td", {}, el("div", { className: "row" },
      button("Look through", () => begin(inside(entry.name), { dry_run: true })), button("Import", () => begin(inside(entry.name), {}), "primary"),
      entry.folder && button("As pictures …", () => collection(entry.name)))),
  ]);
  return el("div", {}, table("Archives", ["Name", "#Size", "Changed", "What to do"], rows),
    !rows.length && el("p", { className: "soft" }, page > 1 ? "There is no more." : "There is nothing here yet."),
    el("div", { className: "row" }, page > 1 && button("Before", () => open(path, page - 1)), more && button("More", () => open(path, page + 1))));
}

function uploading(done) {
  const file = el("input", { id: "archive-file", type: "file" });
  const bar = el("progress", { className: "wide-bar", max: 1, value: 0, hidden: true, attributes: { "aria-label": "Uploaded" } });
  const send = async () => {
    const [chosen] = file.files;
    if (!chosen) return say("Choose a file first.", true);
    bar.hidden = false;
    try {
      await upload(chosen, (share) => { bar.value = share; });
      file.value = "";
    } finally {
      bar.hidden = true;
    }
    await done();
    return say(`${chosen.name} is in the folder for archives.`);
  };
  return el("div", { className: "card row" }, el("label", { className: "field", htmlFor: file.id }, "A file to bring in", file), button("Upload", send, "primary"), bar);
}

const FACTS = [["messages", "new messages"], ["known", "known already"], ["updated", "of them older here"], ["pictures", "new pictures"], ["embeddings", "embeddings"],
  ["refused", "messages stay out"], ["opt_outs", "opt-outs"], ["deletions", "deletions"], ["deleted", "messages here go"]];

/** What a bundle brings, and the button that imports it once that was looked at. */
function bundled({ path, state, dry_run, bundle }, begin) {
  const open = dry_run || state === "failed";
  const go = () => {
    const asked = `${path} may delete and replace what is stored here: ${many(bundle.deleted, "message")} would go. Go on only where you know who made it.`;
    return !bundle.asks || confirm(asked) ? begin(path, bundle.asks ? { confirm: bundle.deleted } : {}) : undefined;
  };
  return [
    el("p", {}, "As of ", time(bundle.created_ms), ": ", FACTS.filter(([key]) => bundle[key]).map(([key, text]) => `${number(bundle[key])} ${text}`).join(" · ") || "nothing that is not here"),
    bundle.skipped.length > 0 && el("p", { className: "soft" }, `Stays out, another folder here has its number: ${bundle.skipped.join(", ")}`),
    open && state !== "looking" && button(bundle.asks ? "Import the bundle …" : "Import the bundle", go),
  ];
}

function described(found, { guilds }, begin) {
  const left = found.state === "looking" && found.total_bytes > 0 ? `${Math.floor(100 * found.looked_bytes / found.total_bytes)} % looked through` : "";
  const over = found.bundle ? "was imported" : "is imported";
  const state = { looking: "is looked through", storing: "comes in", done: found.dry_run ? "was looked through" : over, failed: "failed" }[found.state];
  const going = ["looking", "storing"].includes(found.state) && found.step;
  return el("section", { className: "card" },
    el("div", { className: "row" }, el("strong", {}, found.path), el("span", { className: "soft" }, state), time(found.began_ms)),
    left && el("p", {}, left),
    going && el("p", {}, `${found.step}: ${number(found.done)}${found.total === null ? "" : ` of ${number(found.total)}`}`), found.reason && el("p", { className: "error" }, found.reason),
    found.guilds.map((guild) => el("p", {}, [
      `${guild.name}: ${many(guild.channels, found.collection ? "folder" : "channel")}`, many(guild.messages, "message"), many(guild.pictures, "picture"),
      guild.saved ? `${number(guild.saved)} in files` : "", guild.live ? `${number(guild.live)} with a link that works` : "",
      guild.dead ? `${number(guild.dead)} with a link that has expired` : "", guild.missing ? `${number(guild.missing)} files missing` : "",
      guild.job === null ? "" : `job ${guild.job}${guilds.some((known) => known.id === guild.id) ? "" : ": choose the server above once the page is loaded again"}`,
    ].filter(Boolean).join(" · "))),
    found.bundle && bundled(found, begin),
    found.problems.map((problem) => el("p", { className: "soft" }, `${problem.file}${problem.offset === null ? "" : `, byte ${number(problem.offset)}`}: ${problem.text}`)),
    found.problem_count > found.problems.length && el("p", { className: "soft" }, `and ${number(found.problem_count - found.problems.length)} more`));
}
