// Cards of pictures: what was found, where, who posted it and when.

import { button, el, many, time } from "/console/dom.js";
import { tagLine } from "/console/tags.js";

/** The picture, or its name where there is no small copy of it. */
export function frame(shown) {
  const image = el("img", { src: shown.thumbnail, alt: shown.alt_text || shown.file_name, loading: "lazy", decoding: "async" });
  const box = el("div", { className: shown.kinds.includes("spoiler") ? "frame spoiler" : "frame" }, image);
  image.addEventListener("error", () => {
    image.replaceWith(el("div", { className: "none" }, shown.file_name || "a picture", el("br"), "no small copy to be had now"));
  }, { once: true });
  return box;
}

/** A card; `more` gets the picture when somebody wants others like it, `tagged` is what tagLine takes. */
export function card(shown, more, tagged) {
  const said = shown.text || shown.file_name;
  const times = shown.shown_elsewhere ? ` · ${many(shown.shown_elsewhere + 1, "message")}` : "";
  const label = `${shown.named || "Picture"} in #${shown.channel} by ${shown.author}`;
  const about = el("div", { className: "about" },
    shown.named && el("div", {}, el("span", { className: "band" }, shown.named)),
    said && el("div", { className: "said" }, said),
    el("div", {}, `#${shown.channel}`, el("span", { className: "soft" }, ` · ${shown.author}`)),
    el("div", { className: "soft" }, time(shown.unix_ms), times),
    shown.path && el("div", { className: "soft mono" }, shown.path),
    tagged && tagLine(shown, tagged),
    el("div", { className: "actions" },
      more && button("More like this", () => more(shown)),
      shown.link && el("a", { href: shown.link, target: "_blank", rel: "noreferrer noopener" }, "Open in Discord")),
  );
  return el("article", { className: "picture", tabIndex: 0, attributes: { "aria-label": label } }, frame(shown), about);
}

/** Arrow keys go from card to card; Enter opens the message, M asks for more like it. */
export function moveByKeys(grid) {
  grid.addEventListener("keydown", (event) => {
    const cards = [...grid.querySelectorAll(".picture")];
    const at = cards.indexOf(document.activeElement);
    if (at < 0) return;
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (step && cards[at + step]) {
      cards[at + step].focus();
      event.preventDefault();
    }
    if (event.key === "Enter") cards[at].querySelector(".actions a")?.click();
    if (event.key.toLowerCase() === "m") cards[at].querySelector(".actions button")?.click();
  });
}
