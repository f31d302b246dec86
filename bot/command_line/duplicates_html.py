"""The report of `afterimage duplicates --html`: one file, without scripts, that loads nothing. Pure.

Members wrote the names and texts in it. Everything is escaped, and the page's own policy forbids scripts, forms and
every address but the small copies inside of the file.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

from bot.command_line.hit_text import Json
from bot.replies.escape import plain

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
article { display: flex; gap: 1rem; padding: 1rem 0; border-top: 1px solid #8884; }
img, .none { width: 10rem; height: 10rem; object-fit: contain; flex: none; background: #8882; }
h2 { font-size: 1rem; margin: 0; }
p, ol { margin: .3rem 0; }
li { overflow-wrap: anywhere; }
code { font-size: .85em; }
small { opacity: .7; }
@media (max-width: 40rem) { article { flex-direction: column; } }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"


def page(found: Json) -> str:
    """The whole document."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    percent = f"{found['threshold'] * 100:g} %"
    counted = f"{found['group_count']:,} groups among {found['compared']:,} pictures, {percent} or surer"
    groups = "\n".join(_group(number, group) for number, group in enumerate(found["groups"], start=1))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY.format(digest))}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Posted more than once</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Posted more than once</h1>
<p>{escape(counted)}</p>
{groups or "<p>No picture was posted again.</p>"}
</body>
</html>
"""


def _group(number: int, group: Json) -> str:
    picture = '<div class="none"></div>'
    if group.get("picture"):
        picture = f'<img alt="" src="data:image/webp;base64,{escape(group["picture"])}">'
    said = escape(plain(group["text"], 300))
    posts = "\n".join(f"<li>{_post(post)}</li>" for post in group["posts"])
    more = group["times"] - len(group["posts"])
    rest = f"<p><small>and {more:,} more</small></p>" if more > 0 else ""
    return f"""<article>
{picture}
<div>
<h2>{number}. {group["times"]:,} times <small>({int(group["confidence"] * 100)} % sure)</small></h2>
{f"<p>{said}</p>" if said else ""}
<ol>
{posts}
</ol>{rest}
</div>
</article>"""


def _post(post: Json) -> str:
    channel, author, name = (escape(plain(post[key], 80)) for key in ("channel", "author", "file_name"))
    parts = [f"#{channel} · {author} · {escape(post['posted'][:10])} · <code>{name}</code>"]
    if post["changes"]:
        parts.append(escape(", ".join(post["changes"])))
    if post["link"]:
        parts.append(f'<a rel="noreferrer noopener" href="{escape(post["link"])}">message</a>')
    if post["path"]:
        parts.append(f"<code>{escape(plain(post['path'], 1_000))}</code>")
    return " · ".join(parts)
