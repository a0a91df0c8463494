"""The result as a table for people: what, against whom, how much faster, was the goal met."""

from __future__ import annotations

from typing import Any

import click

from tests.bench.machine import describe_machine, measure_memory

COLUMNS = (
    ("name", 10, "<"), ("size", 15, "<"), ("peer", 34, "<"), ("ours", 10, ">"), ("peer's", 10, ">"), ("ratio", 9, ">"),
    ("goal", 7, ">"), ("", 2, "<"), ("wrong", 6, ">"), ("of", 11, ">"), ("peer wrong", 11, ">"), ("MB", 8, ">"),
    ("peer MB", 8, ">"), ("/floor", 7, ">"),
)  # fmt: skip
HELD_GOALS = {"node": 250, "building": 100}
"""Bytes that compiled arrays may take."""


def print_table(found: list[dict[str, Any]], *, err: bool) -> None:
    """Print the machine, one line a comparison, what each clock saw, and what was left out."""
    for line in format_table(found):
        click.echo(line, err=err)


def format_table(found: list[dict[str, Any]]) -> list[str]:
    """Return the lines of the table."""
    lines = [*format_machine(), "", format_row([name for name, _, _ in COLUMNS])]
    measured = [one for one in found if "ours_s" in one]
    lines += [format_row(list_cells(one)) for one in measured]
    lines += [
        "",
        "ratio = peer / ours, medians of turns taken in turn; wrong = answers of ours that differ from the oracle",
    ]
    timed = {f"{one['name']} / {one['peer']}": f"{one['timed']} ({one['rule']})" for one in measured}
    lines += [f"  {key}: {text}" for key, text in timed.items()]
    for one in measured:
        if one.get("held"):
            sizes = (f"{count:.0f} bytes a {what} (goal {HELD_GOALS[what]})" for what, count in one["held"].items())
            lines.append(f"  compiled arrays, {one['name']} {one['size']}: {', '.join(sizes)}")
    for one in found:
        reason = one.get("skipped") or one.get("failed")
        if reason:
            kind = "left out" if "skipped" in one else "FAILED"
            lines.append(f"  {kind}: {one['name']} {one['size']} against {one['peer']}: {reason}")
    return lines


def list_cells(one: dict[str, Any]) -> list[str]:
    """Return the cells of one comparison."""
    floor = one.get("floor_s")
    return [
        one["name"],
        one["size"],
        one["peer"],
        format_seconds(one["ours_s"]),
        format_seconds(one["peer_s"]),
        f"{one['ratio']:.2f}" if one["ratio"] < 100 else f"{one['ratio']:.0f}",
        f"{one['goal']:g}",
        "✓" if one["ratio"] >= one["goal"] and not one["mismatches"] else "✗",
        f"{one['mismatches']}",
        f"{one['compared']:,}",
        "" if one["peer_wrong"] is None else f"{one['peer_wrong']:,}",
        "" if one["ours_mb"] is None else f"{one['ours_mb']:.1f}",
        "" if one["peer_mb"] is None else f"{one['peer_mb']:.1f}",
        f"{one['ours_s'] / floor:.1f}" if floor else "",
    ]


def format_row(cells: list[str]) -> str:
    """Return cells set in columns."""
    return " ".join(f"{cell:{align}{width}}" for cell, (_, width, align) in zip(cells, COLUMNS, strict=True)).rstrip()


def format_seconds(seconds: float) -> str:
    """Return seconds, in the unit that suits them."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} µs"


def format_machine() -> list[str]:
    """Return what it was measured on and what memory costs there."""
    machine = describe_machine()
    memory = measure_memory()
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, load {machine['load_1min']}",
        f"{machine['system']}, Python {machine['python']}, {versions}",
        "memory: "
        + ", ".join(f"{name.removesuffix('_ns').replace('_', ' ')} {ns} ns" for name, ns in memory.items())
        + " an item of 8 bytes",
    ]
