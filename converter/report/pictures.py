"""The pictures of a report as inline SVG."""

from __future__ import annotations

import io
from html import escape
from typing import Any

import numpy as np

from .gather import SOURCES, Facts

COLOURS = ("#3b6fb6", "#d98032", "#b3392f", "#5f8f4e")
COLUMNS = 4


def svg(figure: Any) -> str:
    """A matplotlib figure as an <svg> element, without the XML prologue."""
    out = io.StringIO()
    figure.savefig(out, format="svg", bbox_inches="tight")
    text = out.getvalue()
    return text[text.index("<svg") :]


def figures() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "intq", "axes.spines.top": False, "axes.spines.right": False})
    from matplotlib.figure import Figure

    return Figure


def sqnr(facts: Facts) -> str:
    """SQNR of every layer, alone and within the network."""
    rows = facts.comparison.layers
    figure = figures()(figsize=(10, 3.2))
    axis = figure.subplots()
    place = np.arange(len(rows))
    axis.plot(place, [min(r.isolated, 99) for r in rows], "o-", ms=3, lw=1, color=COLOURS[0], label="alone")
    axis.plot(place, [min(r.cumulative, 99) for r in rows], "o-", ms=3, lw=1, color=COLOURS[1], label="within the network")
    axis.set_xticks(place, [short(r.layer, 28) for r in rows], rotation=90, fontsize=5.5)
    axis.set_ylabel("SQNR, dB")
    axis.grid(axis="y", alpha=0.3)
    axis.legend(frameon=False)
    return svg(figure)


def splits(facts: Facts) -> str:
    """Share of each source in every layer's error."""
    rows = facts.splits
    figure = figures()(figsize=(10, 2.8))
    axis = figure.subplots()
    place, base = np.arange(len(rows)), np.zeros(len(rows))
    for i, name in enumerate(SOURCES):
        height = np.array([r.shares[i] for r in rows])
        axis.bar(place, height, bottom=base, color=COLOURS[i], label=name, width=0.8)
        base = base + height
    axis.set_xticks(place, [short(r.layer, 28) for r in rows], rotation=90, fontsize=5.5)
    axis.set_ylabel("share of the error")
    axis.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.16))
    return svg(figure)


def short(name: str, length: int) -> str:
    """The end of a long name, which is what tells it from others."""
    return name if len(name) <= length else f"…{name[1 - length :]}"


def histograms(facts: Facts) -> str:
    """Values of every stored activation (logarithmic counts), and the range of its integers between the red lines."""
    rows, makers = facts.spreads, {row.tensor: row.layer for row in facts.comparison.layers}
    lines = max(1, -(-len(rows) // COLUMNS))
    figure = figures()(figsize=(10, 1.25 * lines))
    axes = figure.subplots(lines, COLUMNS, squeeze=False).reshape(-1)
    for axis in axes[len(rows) :]:
        axis.set_visible(False)
    for axis, row in zip(axes, rows, strict=False):
        if len(row.counts):
            low, high = min(row.low, row.centres[0]), max(row.high, row.centres[-1])
            counts, edges = np.histogram(row.centres, bins=80, range=(low, high), weights=row.counts)
            axis.stairs(counts, edges, fill=True, color=COLOURS[0], alpha=0.8)
            axis.set_yscale("log")
        for edge in (row.low, row.high):
            axis.axvline(edge, color=COLOURS[2], lw=1)
        axis.set_title(short(makers.get(row.tensor, row.tensor), 34), fontsize=6, pad=2)
        axis.tick_params(labelsize=5, length=2, pad=1)
        axis.tick_params(which="both", left=False, labelleft=False)
    figure.subplots_adjust(hspace=0.75, wspace=0.12)
    return svg(figure)


def network(facts: Facts, worst: set[str]) -> str:
    """The integer graph from top to bottom; edges that skip nodes run on the right, in lanes; `worst` layers are red."""
    step, width, left = 30, 330, 10
    made = {output: i for i, (_, _, _, output, _) in enumerate(facts.nodes)}
    boxes: list[str] = []
    edges: list[str] = []
    lanes: list[int] = []
    for i, (name, op, inputs, _, shape) in enumerate(facts.nodes):
        y = 10 + i * step
        fill = "#f6d5cf" if name in worst else "#eef2f8"
        boxes.append(f'<rect x="{left}" y="{y}" width="{width}" height="20" rx="4" fill="{fill}" stroke="#9ab"/>')
        boxes.append(f'<text x="{left + 8}" y="{y + 14}"><tspan font-weight="600">{escape(op)}</tspan> {escape(short(name, 26))}</text>')
        boxes.append(f'<text x="{left + width - 8}" y="{y + 14}" text-anchor="end" fill="#667">{shape}</text>')
        for source in inputs:
            start = made.get(source)
            if start is None:
                continue
            if start == i - 1:
                edges.append(f'<path d="M{left + width / 2} {y - 10} V{y}" marker-end="url(#tip)"/>')
                continue
            lane = next((k for k, end in enumerate(lanes) if end <= start), len(lanes))
            lanes[lane : lane + 1] = [i]
            x = left + width + 14 + 9 * lane
            edges.append(f'<path d="M{left + width} {start * step + 20} H{x} V{y + 6} H{left + width}" marker-end="url(#tip)"/>')
    height = 20 + step * len(facts.nodes)
    tip = '<defs><marker id="tip" markerWidth="6" markerHeight="6" refX="5" refY="3" orient="auto"><path d="M0 0 L6 3 L0 6 z"/></marker></defs>'
    body = f'{tip}<g fill="none" stroke="#567">{"".join(edges)}</g><g font-size="10" font-family="sans-serif">{"".join(boxes)}</g>'
    size = left + width + 30 + 9 * len(lanes)
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{height}" viewBox="0 0 {size} {height}">{body}</svg>'
