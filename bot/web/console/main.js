// The page: signing in, the server that is looked at, and which page is shown.

import { LASTING, ask, leavePage, session, signIn, signOut } from "/console/api.js";
import * as archives from "/console/archives.js";
import * as audit from "/console/audit.js";
import * as bundles from "/console/bundles.js";
import * as coverage from "/console/coverage.js";
import { el, say } from "/console/dom.js";
import * as duplicates from "/console/duplicates.js";
import * as failures from "/console/failures.js";
import * as jobs from "/console/jobs.js";
import * as keys from "/console/keys.js";
import * as search from "/console/search.js";
import * as status from "/console/status.js";

const PAGES = {
  search: { title: "Search", page: search },
  duplicates: { title: "Duplicates", page: duplicates },
  coverage: { title: "Coverage", page: coverage },
  jobs: { title: "Jobs", page: jobs },
  failures: { title: "Failures", page: failures },
  status: { title: "Status", page: status, may: (key) => key.guild === null, anyServer: true },
  archives: { title: "Import", page: archives, may: (key) => key.scope === "admin" && key.guild === null, anyServer: true },
  bundles: { title: "Export", page: bundles, may: (key) => key.scope === "admin" && key.guild === null },
  keys: { title: "Keys", page: keys, may: (key) => key.scope === "admin", anyServer: true },
  audit: { title: "Audit log", page: audit, may: (key) => key.scope === "admin", anyServer: true },
};
const GUILD = "afterimage-server"; // which server was looked at last

const byId = (id) => document.getElementById(id);
let key = null;
let guilds = [];
let leave = null;

async function enter() {
  ({ guilds } = await ask("/guilds", LASTING));
  byId("sign-in").hidden = true;
  byId("console").hidden = false;
  const chosen = localStorage.getItem(GUILD);
  byId("guild").replaceChildren(...guilds.map((guild) => el("option", { value: guild.id, selected: guild.id === chosen }, guild.name)));
  byId("nav").replaceChildren(...Object.entries(PAGES).filter(([, { may }]) => !may || may(key))
    .map(([name, { title }]) => el("li", {}, el("a", { href: `#/${name}` }, title))));
  await route();
}

async function route() {
  const [wanted, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  if (wanted === "main" || key === null) return;
  const name = PAGES[wanted] && (!PAGES[wanted].may || PAGES[wanted].may(key)) ? wanted : "search";
  for (const link of document.querySelectorAll("#nav a")) {
    link.removeAttribute("aria-current");
    if (link.hash !== `#/${name}`) continue;
    link.setAttribute("aria-current", "page");
    link.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  leave?.();
  leave = null;
  leavePage();
  const { title, page, anyServer } = PAGES[name];
  byId("title").textContent = title;
  document.title = `${title} · Afterimage`;
  const view = el("div"); // its own: a page whose answer comes late draws nothing over the one that is shown by then
  byId("view").replaceChildren(view);
  say("");
  const guild = byId("guild").value;
  if (!guild && !anyServer) return say("Nothing is indexed yet: invite the bot to a server and give /reindex start there.");
  try {
    if (name === "coverage") ({ guilds } = await ask("/guilds"));
    const left = await page.show(view, { guild, guilds, key, query: new URLSearchParams(query) });
    if (typeof left === "function") leave = left;
  } catch (error) {
    if (view.isConnected) say(error.message, true);
  }
}

function outside() {
  leave?.();
  leave = key = null;
  leavePage();
  byId("view").replaceChildren();
  byId("console").hidden = true;
  byId("sign-in").hidden = false;
  byId("key").focus();
}

byId("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("sign-in-error").textContent = "";
  try {
    key = await signIn(byId("key").value.trim());
    byId("key").value = "";
    await enter();
  } catch (error) {
    byId("sign-in-error").textContent = error.message;
  }
});
byId("sign-out").addEventListener("click", async () => {
  try {
    await signOut();
    outside();
  } catch (error) { // whose session has ended is outside by now; anybody else's cookie still opens the page
    if (key !== null) say(`You are still signed in. ${error.message}`, true);
  }
});
byId("guild").addEventListener("change", () => {
  localStorage.setItem(GUILD, byId("guild").value);
  history.replaceState(null, "", location.hash.split("?")[0] || "#/search");
  route();
});
document.addEventListener("signed-out", () => { if (key !== null) outside(); });
addEventListener("hashchange", route);

try {
  key = (await session()) ?? null;
  await enter();
} catch {
  outside();
}
