// The tags of a picture: shown, searched by, and edited.

import { button, el } from "/console/dom.js";

/**
 * The line below a picture. `find` gets a tag that is pressed; `change` gets the picture, tags to add and tags to remove, and
 * returns those that it has then. Without `change` they are only shown.
 */
export function tagLine(shown, { find, change }) {
  const line = el("div", { className: "tags" });
  const label = (text) => ({ attributes: { "aria-label": text } });
  let tags = shown.tags;

  const draw = () => {
    const found = tags.map((tag) => {
      const made = button(tag, () => find(tag));
      made.setAttribute("aria-label", `Search tag ${tag}`);
      return el("li", {}, made);
    });
    const list = el("ul", { className: "chips", ...label("Tags") }, found);
    line.replaceChildren(...(tags.length ? [list] : []));
    if (!change) return;
    const edit = button(tags.length ? "Edit tags" : "Add tags", () => ask());
    line.append(edit);
  };

  const ask = () => {
    const input = el("input", { type: "text", value: tags.join(", "), maxLength: 500, autocomplete: "off", ...label("Tags, with commas between them") });
    const save = button("Save", async () => {
      const wanted = [...new Set(input.value.split(",").map((tag) => tag.trim()).filter(Boolean))];
      const add = wanted.filter((tag) => !tags.includes(tag));
      const remove = tags.filter((tag) => !wanted.includes(tag));
      if (add.length || remove.length) tags = await change(shown, add, remove);
      close();
    }, "primary");
    const close = () => {
      draw();
      line.querySelector(":scope > button").focus();
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") save.click();
      if (event.key === "Escape") close();
    });
    line.replaceChildren(input, el("div", { className: "choices" }, save, button("Cancel", close)));
    input.focus();
  };

  draw();
  return line;
}
