"""One HTML page of a run: verdict, clips, figures, tables, settings. It holds everything itself and runs no script."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from wm_lab.reports.chapters import Chapter
from wm_lab.reports.moving import Clip
from wm_lab.reports.tables import Table
from wm_lab.reports.words import reading, terms_in

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2430; max-width: 1080px; margin: 2.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem; } h2 small { color: #6b7280; font-weight: 400; }
.about { color: #6b7280; margin: .2rem 0; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1rem; } a:focus { outline: 2px solid #0072B2; }
h3 { font-size: 1rem; margin: 2rem 0 .4rem; }
.verdict { border-left: 4px solid #cfd4dc; padding: .2rem 0 .2rem 1rem; margin: .8rem 0; overflow-wrap: anywhere; }
.verdict.headline { font-size: 1.15rem; border-color: #0072B2; padding: .4rem 0 .4rem 1rem; margin: 1.2rem 0; }
.verdict::first-letter, .chapter > p::first-letter { text-transform: uppercase; }
.scroll { overflow-x: auto; /* a shadow says that there is more to see; at the ends, white covers scroll over it */
  background:
    linear-gradient(90deg, #fff 30%, #fff0) 0 0 / 2rem 100%,
    linear-gradient(270deg, #fff 30%, #fff0) 100% 0 / 2rem 100%,
    linear-gradient(90deg, #1f243033, #fff0) 0 0 / .6rem 100%,
    linear-gradient(270deg, #1f243033, #fff0) 100% 0 / .6rem 100%;
  background-repeat: no-repeat; background-attachment: local, local, scroll, scroll; }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }
th { text-align: left; color: #6b7280; font-weight: 500; border-bottom: 1px solid #d1d5db; }
th, td { padding: .2rem .8rem .2rem 0; white-space: nowrap; vertical-align: top; }
.number { text-align: right; } td.prose { white-space: normal; min-width: 16rem; }
tr.group td { border-top: 1px solid #e5e7eb; }
.caption, figcaption { color: #6b7280; font-size: .85rem; margin: .4rem 0; }
figure { margin: 2rem 0; } figure svg, figure img { max-width: 100%; height: auto; display: block; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: .2rem 1rem; }
.clips figure { margin: .6rem 0; } .clips img { width: 100%; border-radius: 4px; }
@media (max-width: 600px) { figure .scroll > svg, figure .scroll > img { max-width: none; } /* words stay legible */ }
summary { cursor: pointer; margin-top: 2rem; }
pre { background: #f6f7f9; padding: 1rem; overflow-x: auto; font-size: .82rem; }
@media (prefers-color-scheme: dark) {
  :root { color-scheme: dark; }
  body { background: #15181d; color: #e3e6ea; } th, .caption, figcaption, .about, h2 small { color: #a4abb6; }
  figure svg, figure img { background: #fff; border-radius: 4px; } pre { background: #20242b; }
  .scroll { background: none; } tr.group td { border-color: #333a44; } a { color: #6cb8ef; }
}
@page { size: A4 landscape; margin: 12mm; }
@media print {
  body { max-width: none; margin: 0; font-size: 11px; }
  .scroll { overflow: visible; background: none; }
  th, td { white-space: normal; overflow-wrap: anywhere; padding-right: .5rem; } td.prose { min-width: 8rem; }
  figure, tr, .verdict { break-inside: avoid; } h3 { break-after: avoid; }
}
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% if about or terms %}<p class="about">{{ about }}
{% if terms %} <a href="#terms">What the words mean</a>.{% endif %}</p>
{% endif %}{% for verdict in verdicts[:1] %}<p class="verdict headline">{{ verdict }}</p>
{% endfor %}
{% for table in leading %}{{ table.html()|safe }}
{% endfor %}
{% if clips %}<div class="clips">
{% for clip in clips %}<figure>{{ clip.body|safe }}<figcaption>{{ clip.caption }}</figcaption></figure>
{% endfor %}</div>
{% for line in below_clips %}<p class="caption">{{ line }}</p>
{% endfor %}{% endif %}
{% for verdict in verdicts[1:] %}<p class="verdict">{{ verdict }}</p>
{% endfor %}
{% for chapter in chapters %}<section class="chapter">
<h2>{{ chapter.question }} <small>{{ chapter.task }}</small></h2>
<p>{{ chapter.answer }}</p>
{% if chapter.body %}<figure><div class="scroll">{{ chapter.body|safe }}</div>
<figcaption>{{ chapter.reading.read }}</figcaption></figure>{% endif %}
<p><a href="{{ chapter.link }}">The whole run</a></p>
</section>
{% endfor %}
{% for verdict in closing %}<p class="verdict">{{ verdict }}</p>
{% endfor %}
{% for figure in figures %}<figure><div class="scroll">{{ figure.body|safe }}</div>
<figcaption>{{ figure.caption }}</figcaption></figure>
{% endfor %}
{% for table in tables %}{{ table.html()|safe }}
{% endfor %}
{% if terms %}<section id="terms"><h3>Terms</h3><dl>
{% for term, meaning in terms.items() %}<dt>{{ term }}</dt><dd>{{ meaning }}</dd>
{% endfor %}</dl></section>{% endif %}
{% for name, text in texts.items() %}<details><summary>{{ name }}</summary><pre>{{ text }}</pre></details>
{% endfor %}
</body>
</html>
"""

PICTURES = {".png": "image/png", ".webp": "image/webp", ".gif": "image/gif", ".jpg": "image/jpeg"}

MOST_BYTES = 3_000_000
"""Of clips on a page: base64 adds a third, and figures come on top."""


def write_page(
    path: Path | str,
    title: str,
    *,
    about: str = "",
    exercise: str = "",
    verdicts: Sequence[str] = (),
    leading: Sequence[Table] = (),
    tables: Sequence[Table] = (),
    clips: Sequence[Clip] = (),
    chapters: Sequence[Chapter] = (),
    figures: Mapping[str, Path] | None = None,
    texts: Mapping[str, str] | None = None,
) -> Path:
    """Write the page: `figures` is {name: SVG, PNG or GIF file}, `texts` {heading: text}, such as the settings.

    exercise: whose figures these are; about: what was asked, of whom, in a sentence or two
    leading: tables that are the answer itself: they stand below its headline, and `tables` below all pictures
    chapters: what the page begins with where no table leads; verdicts that no chapter says follow it
    """
    shown = [
        {"caption": words.read, "body": _embed(Path(file), f"f{i}-", words.seen)}
        for i, (words, file) in enumerate((reading(name, exercise), file) for name, file in (figures or {}).items())
    ]
    template = _template()
    affordable = _affordable(clips)
    moving = [{"caption": clip.caption, "body": _picture(clip.path, clip.alt)} for clip in affordable]
    told = [about, *verdicts, *(clip.caption for clip in affordable), *(table.html() for table in [*leading, *tables])]
    verdicts = [verdict for verdict in verdicts if not any(verdict.endswith(each.answer) for each in chapters)]
    opening = [] if chapters and not leading else verdicts
    html = template.render(
        title=title,
        about=about,
        verdicts=opening,
        closing=[verdict for verdict in verdicts if verdict not in opening],
        chapters=[_chapter(chapter, number, Path(path).parent) for number, chapter in enumerate(chapters)],
        terms=terms_in(
            "\n".join([*told, *(line for chapter in chapters for line in (chapter.answer, chapter.reading.read))])
        ),
        leading=leading,
        tables=tables,
        clips=moving,
        below_clips=dict.fromkeys(line for clip in affordable for line in clip.readings),
        figures=shown,
        texts=texts or {},
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(html, encoding="utf-8")
    temporary.replace(path)
    return path


@lru_cache(1)
def _template() -> Template:
    """Compiled once for all pages of a sweep."""
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(TEMPLATE)


def _chapter(chapter: Chapter, number: int, folder: Path) -> dict[str, str]:
    """The same with its figure inside, and the way from the page's folder to the run's page."""
    alt = f"{chapter.reading.seen} {chapter.task}: {chapter.answer}"
    body = "" if chapter.figure is None else _embed(chapter.figure, f"c{number}-", alt)
    return {**chapter._asdict(), "body": body, "link": os.path.relpath(chapter.page, folder)}


def _embed(file: Path, prefix: str, alt: str) -> str:
    """The picture itself, as inline SVG or as data; `prefix` keeps an SVG's ids apart from another's."""
    if file.suffix != ".svg":
        return _picture(file, alt)
    svg = file.read_text(encoding="utf-8")
    svg = _own_names(svg[svg.index("<svg") :], prefix)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1)


def _picture(file: Path, alt: str) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    return f'<img src="data:{PICTURES[file.suffix]};base64,{data}" alt="{escape(alt)}">'


def _affordable(clips: Sequence[Clip]) -> list[Clip]:
    """The first clips, for a page that stays small; the others lie in the store."""
    found, size = [], 0
    for clip in clips:
        size += clip.path.stat().st_size
        if size <= MOST_BYTES:
            found.append(clip)
    return found


def _own_names(svg: str, prefix: str) -> str:
    """Prefix an SVG's ids: two figures on one page must not share clip paths and markers."""
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}", svg)
