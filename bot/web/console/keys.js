// The keys of this interface.

import { ask } from "/console/api.js";
import { button, el, failed, fill, many, number, say, table, time } from "/console/dom.js";

export async function show(view, context) {
  const { keys } = await ask("/keys");
  const made = el("div", { attributes: { role: "status" } });
  const again = () => show(view, context);
  const revoke = async (key) => {
    if (!confirm(`Revoke key ${key.id} (${key.name})? It opens nothing from then on.`)) return;
    await ask(`/keys/${key.id}`, { method: "DELETE" });
    await again();
    say(`Key ${key.id} is revoked.`);
  };
  fill(view, form(context, made), made, el("h2", {}, "Newest first"),
    table("Keys", ["#Number", "Name", "Scope", "Server", "Made", "Expires", "State"], keys.map((key) => [
      number(key.id), el("td", { className: "long" }, key.name), key.scope, serverName(key.guild, context), time(key.created_ms),
      key.expires_ms === null ? "never" : time(key.expires_ms),
      key.valid ? button("Revoke", () => revoke(key), "danger") : key.revoked_ms === null ? "expired" : "revoked",
    ])));
  say(many(keys.filter((key) => key.valid).length, "valid key"));
}

function form(context, made) {
  const name = el("input", { id: "key-name", required: true, maxLength: 100, autocomplete: "off" });
  const scope = el("select", { id: "key-scope" }, ["read", "write", "admin"].map((value) => el("option", { value }, value)));
  const guild = el("select", { id: "key-guild" }, context.key.guild === null && el("option", { value: "" }, "every server"),
    context.guilds.map((found) => el("option", { value: found.id }, found.name)));
  const days = el("input", { id: "key-days", type: "number", min: 1, max: 3650, placeholder: "never" });
  const field = (text, input) => el("label", { className: "field", htmlFor: input.id }, text, input);
  const whole = el("form", { className: "card row" }, field("Name", name), field("Scope", scope), field("For", guild), field("Expires after days", days),
    el("button", { className: "primary" }, "Make a key"));
  whole.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const body = { name: name.value, scope: scope.value, guild: guild.value || null, days: days.value ? Number(days.value) : null };
      const { key, secret } = await ask("/keys", { method: "POST", body });
      made.replaceChildren(el("p", {}, `Key ${key.id} is shown this one time:`), el("pre", { id: "secret" }, secret),
        button("Copy", () => navigator.clipboard.writeText(secret).then(() => say("Copied."))));
      name.value = "";
    } catch (error) {
      failed(error);
    }
  });
  return whole;
}

const serverName = (id, { guilds }) => (id === null ? "every server" : guilds.find((found) => found.id === id)?.name ?? id);
