"""Results as tables for people (rich) and as pictures (matplotlib)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .environment import headline

if TYPE_CHECKING:
    from rich.table import Table


def milliseconds(value: float) -> str:
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 10 else f"{value:.2f}"


def models_table(result: dict[str, Any]) -> Table:
    """Engines down, networks across: median milliseconds and the tenth to ninetieth percentile; then the ratios to the fastest peer."""
    from rich.table import Table

    networks = result["networks"]
    names = list(dict.fromkeys(name for n in networks for name in (*n["engines"], *n["missing"])))
    title = f"median ms (p10..p90), {result['threads']} thread(s), {result['rounds']} rounds\n{headline(result['environment'])}"
    table = Table(title=title)
    table.add_column("engine")
    for n in networks:
        table.add_column(n["network"], justify="right")
    for name in names:
        cells = []
        for n in networks:
            e = n["engines"].get(name)
            text = f"{milliseconds(e['median_ms'])} ({milliseconds(e['p10_ms'])}..{milliseconds(e['p90_ms'])})" if e else "-"
            cells.append(f"[bold]{text}[/bold]" if name in (n.get("fastest_int8"), n.get("fastest_any")) else text)
        table.add_row(name, *cells)
    table.add_section()
    for key, text in (("int8", "fastest int8 peer"), ("any", "fastest peer, fp32 too")):
        for suffix, ours in (("", "intq"), ("_run", "intq run"), ("_best", "intq, of minima")):
            field = f"ratio_{key}{suffix}"
            if any(field in n for n in networks):
                table.add_row(f"{text} / {ours}", *(f"{n[field]:.2f}x" if field in n else "-" for n in networks))
    return table


def missing_lines(result: dict[str, Any]) -> list[str]:
    """One line per engine that could not be timed, with the reason."""
    return [f"{n['network']}: {name} not timed: {reason}" for n in result["networks"] for name, reason in n["missing"].items()]


def models_chart(result: dict[str, Any], path: Path) -> None:
    """Bars: inferences per second relative to the fastest int8 peer, one group per network; whiskers from p10 to p90."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    networks = [n for n in result["networks"] if "fastest_int8" in n]
    names = list(dict.fromkeys(name for n in networks for name in n["engines"]))
    figure, axes = plt.subplots(figsize=(max(8.0, 2.2 * len(networks) + 2), 5.0), layout="constrained")
    width = 0.85 / max(len(names), 1)
    colours = plt.get_cmap("tab10")
    for k, name in enumerate(names):
        for i, n in enumerate(networks):
            e = n["engines"].get(name)
            if e is None:
                continue
            base = n["engines"][n["fastest_int8"]]["median_ms"]
            at, height = i + (k - (len(names) - 1) / 2) * width, base / e["median_ms"]
            whiskers = [[max(0.0, height - base / e["p90_ms"])], [max(0.0, base / e["p10_ms"] - height)]]
            axes.bar(at, height, width * 0.92, color=colours(k % 10), label=name, yerr=whiskers, ecolor="0.3", capsize=2)
            axes.annotate(milliseconds(e["median_ms"]), (at, height + whiskers[1][0]), ha="center", va="bottom", fontsize=6, rotation=90,
                          xytext=(0, 4), textcoords="offset points")  # fmt: skip
    axes.axhline(1.0, color="0.5", linewidth=0.8)
    axes.set_xticks(range(len(networks)), [n["network"] for n in networks], fontsize=8)
    axes.set_ylabel("speed, fastest int8 peer = 1 (labels: median ms)")
    axes.set_title(headline(result["environment"]) + f", {result['threads']} thread(s)", fontsize=8)
    axes.margins(y=0.15)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(unique.values(), unique.keys(), fontsize=7, ncols=2)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def peaks_table(peaks: list[dict[str, Any]], title: str) -> Table:
    from rich.table import Table

    table = Table(title=title)
    for column in ("limit", "isa", "rate", "unit", "buffer"):
        table.add_column(column, justify="right" if column in ("rate", "buffer") else "left")
    for p in peaks:
        table.add_row(p["name"], p["isa"], f"{p['rate']:,.1f}", p["unit"], f"{p['bytes'] / 2**20:,.1f} MiB" if p["bytes"] else "")
    return table


def profile_table(result: dict[str, Any]) -> Table:
    """Per node: op, kernel, microseconds, share, GOPS, GB/s."""
    from rich.table import Table

    title = f"{result['model']}: {result['total_ns'] / 1e3:,.1f} us, arena {result['arena_bytes']:,} bytes\n{headline(result['environment'])}"
    table = Table(title=title)
    for column in ("node", "op", "kernel", "us", "share", "GOPS", "GB/s"):
        table.add_column(column, justify="right" if column in ("us", "share", "GOPS", "GB/s") else "left")
    for r in result["nodes"]:
        rate = f"{r['gops']:,.1f}" if r["gops"] else ""
        table.add_row(r["node"], r["op"], r["kernel"], f"{r['ns'] / 1e3:,.2f}", f"{r['share']:.1%}", rate, f"{r['gbps']:,.1f}" if r["ns"] else "")
    return table


def kernels_table(result: dict[str, Any]) -> Table:
    """Per shape and row: microseconds, GOPS, per cent of the measured peak, GB/s, per cent of the bandwidth where the data lie."""
    from rich.table import Table

    table = Table(title=f"kernels; equal to ref.py before timing\n{headline(result['environment'])}")
    for column in ("network", "case", "kernel", "us", "best us", "GOPS", "% peak", "GB/s", "% bandwidth"):
        table.add_column(column, justify="left" if column in ("network", "case", "kernel") else "right")
    for r in result["kernels"]:
        share = [f"{r[k]:.0f}" if r[k] else "" for k in ("percent_of_peak", "percent_of_bandwidth")]
        times = [f"{r['us']:,.2f}", f"{r['best_us']:,.2f}"]
        table.add_row(r["network"], r["case"], r["kernel"], *times, f"{r['gops']:,.1f}" if r["gops"] else "", share[0],
                      f"{r['gbps']:,.1f}", share[1])  # fmt: skip
    return table
