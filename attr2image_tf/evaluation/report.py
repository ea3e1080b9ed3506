"""The report of an evaluation: tables with intervals, pictures and plots of all runs side by side.

`report.html` holds its pictures in itself and can be sent around; `report.md` names those beside it.
"""

import base64
import dataclasses
import html
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from attr2image_tf import pixels
from attr2image_tf.evaluation import metrics, plots
from attr2image_tf.evaluation.experiments import EXPERIMENTS
from attr2image_tf.evaluation.workspace import Workspace
from attr2image_tf.files import write_text

REFERENCE = "real pictures"


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title, text: texts.
        tables: each with titles of the columns, and rows of texts by column.
        pictures: path by caption.
    """

    title: str
    text: str
    tables: Sequence[tuple[Sequence[str], Sequence[Sequence[str]]]] = ()
    pictures: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)


def write(output: pathlib.Path, title: str, introduction: Sequence[Section], runs: Mapping[str, Workspace],
          references: Workspace, logs: Mapping[str, Sequence[Mapping[str, str]]],
          sheets: Mapping[str, np.ndarray]) -> pathlib.Path:
    """Writes report.html and report.md into a folder; returns the path of the first.

    Args:
        output: the folder.
        title: text.
        introduction: sections that come first.
        runs: finished Workspace by run.
        references: Workspace of the real pictures.
        logs: rows of log.csv by run.
        sheets: pictures uint8 of all runs together, by title.
    """
    sections = list(introduction)
    if all(logs.values()):
        path = pathlib.Path(pixels.save(plots.training_curves(logs), output / "training.png"))
        sections.append(Section("Training", "What the training of each run logged.", pictures={"curves": path}))
    if sheets:
        sections.append(Section("Side by side", "A column is one test picture.", pictures={
            title: pathlib.Path(pixels.save(sheet, output / f"side_by_side_{number}.png"))
            for number, (title, sheet) in enumerate(sheets.items())}))
    for experiment in EXPERIMENTS.values():
        if section := _section(output, experiment.name, experiment.text, runs, references):
            sections.append(section)
    write_text(output / "report.md", render_markdown(title, sections, output))
    write_text(output / "report.html", render_html(title, sections))
    return output / "report.html"


def _section(output, name, text, runs, references):
    columns = {label: workspace.read(name) for label, workspace in runs.items()}
    columns = {label: estimates for label, estimates in columns.items() if estimates is not None}
    if not columns:
        return None
    pictures = {f"{label}: {caption}": path for label in columns
                for caption, path in runs[label].pictures(name).items()}
    if (reference := references.read(name)) is not None:
        columns = {REFERENCE: reference} | columns
    for quantity in ("correlation", "response alone", "response with the others"):
        if values := _by_attribute(columns, quantity):
            file = f"{name}_{quantity}.png".replace(" ", "_")
            path = pixels.save(plots.by_attribute(values, f"{quantity} by attribute, first judge"), output / file)
            pictures = {f"{quantity} by attribute": pathlib.Path(path)} | pictures
    tables = [(["", *columns], table(columns))]
    if differences := _differences({label: runs[label].examples(name) for label in columns if label in runs}):
        tables.append(differences)
    return Section(name.capitalize(), text, tables, pictures)


def _differences(examples):
    """A table of the last run less each other one, picture by picture, with intervals; None where there is one run."""
    *others, last = examples
    if not others:
        return None
    rows = []
    for path, arrays in examples[last].items():
        row = [_title(path.split("/"))]
        for other in others:
            same = examples[other].get(path)
            if same is None or len(same["values"]) != len(arrays["values"]):
                row.append("")
                continue
            values = arrays["values"] - same["values"]
            low, high = metrics.bootstrap_interval(values, arrays["people"])
            clear = " *" if low > 0 or high < 0 else ""
            row.append(_text({"value": np.nanmean(values), "low": low, "high": high}) + clear)
        if any(row[1:]):
            rows.append(row)
    return (["paired difference; * where the interval leaves out 0", *(f"{last} less {other}" for other in others)],
            rows) if rows else None


def table(columns: Mapping[str, Mapping]) -> list[list[str]]:
    """Rows of a table: every estimate that some column has, with what each column says of it.

    Args:
        columns: nested estimates by column.
    """
    flat = {label: _flat(estimates) for label, estimates in columns.items()}
    names = list(dict.fromkeys(name for estimates in flat.values() for name in estimates))
    return [[name, *(estimates.get(name, "") for estimates in flat.values())] for name in names]


def _flat(estimates, prefix=()):
    rows = {}
    for name, value in estimates.items():
        if name == "by_attribute":
            continue
        if isinstance(value, Mapping) and "value" not in value:
            rows |= _flat(value, (*prefix, name))
        else:
            rows[_title((*prefix, name))] = _text(value)
    return rows


def _title(path):
    """A row's name; the first parts are titles already."""
    return ", ".join((*path[:-1], path[-1].replace("_", " ")))


def _text(estimate):
    if isinstance(estimate, str):
        return estimate
    interval = f" [{_round(estimate['low'])}, {_round(estimate['high'])}]" if "low" in estimate else ""
    return f"{_round(estimate['value'])}{interval}"


def _round(value):
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    decimals = 1 if size >= 100 else 2 if size >= 10 else 3 if size >= 1 else 4
    return f"{value:.2e}" if 0 < size < 1e-3 else f"{value:.{decimals}f}"


def _by_attribute(columns, quantity):
    """The quantity by attribute by column, of the first regressor that has it."""
    values = {}
    for label, estimates in columns.items():
        for group in estimates.values():
            rows = group.get("by_attribute", {})
            if label not in values and any(quantity in row for row in rows.values()):
                values[label] = {name: row[quantity] for name, row in rows.items()}
    return values


def render_markdown(title: str, sections: Sequence[Section], output: pathlib.Path) -> str:
    """The report as Markdown, pictures named relative to the folder."""
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section.title}", "", section.text, ""]
        for header, rows in section.tables:
            table = [header, ["---"] * len(header), *rows]
            lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in table] + [""]
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
        for header, rows in section.tables:
            head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
            body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
            parts.append(f"<table><tr>{head}</tr>{body}</table><br>")
        for caption, path in section.pictures.items():
            data = base64.b64encode(path.read_bytes()).decode()
            parts.append(f"<p>{html.escape(caption)}</p><img alt='{html.escape(caption, quote=True)}' "
                         f"src='data:image/png;base64,{data}'>")
    return "\n".join(parts)
