"""The report of an evaluation: tables with intervals, pictures and plots of all runs side by side.

`report.html` holds its pictures in itself and can be sent around; `report.md` names those beside it.
"""

import base64
import dataclasses
import html
import pathlib
from collections.abc import Mapping, Sequence

from attr2image_tf import images as pixels
from attr2image_tf.evaluation import plots
from attr2image_tf.evaluation.workspace import Workspace
from attr2image_tf.run_folder import write_text

TEXTS = {
    "faithfulness": "Attributes that were asked for beside those a judge sees in one sample for each test picture's "
    "attributes. Standardised unless raw. Cosine, correlation and sign accuracy: higher is better; the column of real "
    "pictures is what the judge itself reaches. A picture that ignores its request scores as with another request.",
    "diversity": "Root mean squared difference of two samples for one request. Higher is more diverse; a model that "
    "draws one picture for each request has 0. The column of real pictures is of different requests.",
    "distances": "Between samples for the test attributes and the real test pictures. Lower is better; the column of "
    "real pictures is training pictures against test pictures. The Frechet distance is biased upwards for few "
    "pictures; the kernel distance is not, and may be below 0.",
    "retrieval": "Distance to the nearest of the training pictures. Far below the column of real test pictures, of "
    "people who are not in the training data, means copying; blurred pictures are nearer to everything in pixels.",
    "progression": "An attribute moves from its training minimum to its maximum. The response is the change that the "
    "judge sees in it, divided by the change asked for: 1 is full, 0 none.",
    "leakage": "R^2 of linear regressions from one half of the latents: what belongs to the other layer should be "
    "unknown to it. 0 or below: it knows nothing; 1: it knows all.",
    "swap": "Samples whose background latents are exchanged for another's. The foreground layer and the gate must not "
    "change at all; the picture changes where the gate is open.",
    "bounds": "Lower bounds on the log-likelihood of test pictures, higher is better; k draws, rising with k towards "
    "the log-likelihood. Bits: lower is better. Only the bounds of the picture alone compare models, since the layered "
    "model explains the foreground and the mask as well.",
    "reconstruction": "Test pictures of known attributes. Pixels in [0, 1]; lower error, higher PSNR (dB) and SSIM are "
    "better. The column of real pictures is the mean training picture.",
    "completion": "Test pictures of known attributes with a hidden patch; measured in the patch alone. The column of "
    "real pictures is the mean training picture pasted in.",
}
REFERENCE = "real pictures"


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title, text: texts.
        header: titles of the columns.
        rows: texts by column.
        pictures: path by caption.
    """

    title: str
    text: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    pictures: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)


def write(output: pathlib.Path, title: str, introduction: Sequence[Section], runs: Mapping[str, Workspace],
          references: Workspace, logs: Mapping[str, Sequence[Mapping[str, str]]]) -> pathlib.Path:
    """Writes report.html and report.md into a folder; returns the path of the first.

    Args:
        output: the folder.
        title: text.
        introduction: sections that come first.
        runs: finished Workspace by run.
        references: Workspace of the real pictures.
        logs: rows of log.csv by run.
    """
    sections = list(introduction)
    if all(logs.values()):
        path = pathlib.Path(pixels.save(plots.training_curves(logs), output / "training.png"))
        sections.append(Section("Training", "What the training of each run logged.", pictures={"curves": path}))
    for name, text in TEXTS.items():
        if section := _section(output, name, text, runs, references):
            sections.append(section)
    write_text(output / "report.md", render_markdown(title, sections, output))
    write_text(output / "report.html", render_html(title, sections))
    return output / "report.html"


def _section(output, name, text, runs, references):
    columns = {label: workspace.read(name) for label, workspace in runs.items()}
    columns = {label: figures for label, figures in columns.items() if figures is not None}
    if not columns:
        return None
    pictures = {f"{label}: {caption}": path for label in columns
                for caption, path in runs[label].pictures(name).items()}
    if (reference := references.read(name)) is not None:
        columns = {REFERENCE: reference} | columns
    for quantity in ("correlation", "response"):
        if values := _by_attribute(columns, quantity):
            path = pixels.save(plots.by_attribute(values, f"{quantity} by attribute, first judge"),
                               output / f"{name}_{quantity}.png")
            pictures = {f"{quantity} by attribute": pathlib.Path(path)} | pictures
    return Section(name.capitalize(), text, ["", *columns], table(columns), pictures)


def table(columns: Mapping[str, Mapping]) -> list[list[str]]:
    """Rows of a table: every figure that some column has, with what each column says of it.

    Args:
        columns: nested figures by column.
    """
    flat = {label: _flat(figures) for label, figures in columns.items()}
    names = list(dict.fromkeys(name for figures in flat.values() for name in figures))
    return [[name, *(figures.get(name, "") for figures in flat.values())] for name in names]


def _flat(figures, prefix=""):
    rows = {}
    for name, value in figures.items():
        path = f"{prefix}, {name}" if prefix else name
        if name == "by_attribute":
            continue
        if isinstance(value, Mapping) and "value" not in value:
            rows |= _flat(value, path)
        else:
            rows[path.replace("_", " ")] = _text(value)
    return rows


def _text(figure):
    if isinstance(figure, str):
        return figure
    interval = f" [{_round(figure['low'])}, {_round(figure['high'])}]" if "low" in figure else ""
    return f"{_round(figure['value'])}{interval}"


def _round(value):
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    decimals = 1 if size >= 100 else 2 if size >= 10 else 3 if size >= 1 else 4
    return f"{value:.2e}" if 0 < size < 1e-3 else f"{value:.{decimals}f}"


def _by_attribute(columns, quantity):
    values = {}
    for label, figures in columns.items():
        first = next((group for group in figures.values() if "by_attribute" in group), None)
        if first and quantity in next(iter(first["by_attribute"].values())):
            values[label] = {name: row[quantity] for name, row in first["by_attribute"].items()}
    return values


def render_markdown(title: str, sections: Sequence[Section], output: pathlib.Path) -> str:
    """The report as Markdown, pictures named relative to the folder."""
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section.title}", "", section.text, ""]
        if section.header:
            rows = [section.header, ["---"] * len(section.header), *section.rows]
            lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows] + [""]
        for caption, path in section.pictures.items():
            lines += [f"![{caption}]({path.relative_to(output).as_posix()})", "", caption, ""]
    return "\n".join(lines)


def render_html(title: str, sections: Sequence[Section]) -> str:
    """The report as one HTML page that needs no other file."""
    style = ("body{font:15px/1.5 sans-serif;max-width:1200px;margin:2em auto;padding:0 1em}"
             "table{border-collapse:collapse;font-size:13px}"
             "td,th{border:1px solid #ccc;padding:3px 8px;text-align:left}"
             "td+td{font-variant-numeric:tabular-nums}img{max-width:100%}")
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
             f"<style>{style}</style><h1>{html.escape(title)}</h1>"]
    for section in sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2><p>{html.escape(section.text)}</p>")
        if section.header:
            head = "".join(f"<th>{html.escape(cell)}</th>" for cell in section.header)
            body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
                           for row in section.rows)
            parts.append(f"<table><tr>{head}</tr>{body}</table>")
        for caption, path in section.pictures.items():
            data = base64.b64encode(path.read_bytes()).decode()
            parts.append(f"<p>{html.escape(caption)}</p><img alt='{html.escape(caption, quote=True)}' "
                         f"src='data:image/png;base64,{data}'>")
    return "\n".join(parts)
