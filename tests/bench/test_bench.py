"""The bench's own logic on an invented grid: it runs, agrees with the oracle, tells and goes on when a side fails."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from geo.reach import find_reach, seed_sites
from geo.search.labels import NONE
from tests.bench import __main__ as program
from tests.bench import cases, machine, nearest
from tests.bench.catchments import count_differing
from tests.bench.ground import BOUND_MS, make_grid, split_labels
from tests.bench.link import compare
from tests.bench.machine import measure_floor
from tests.bench.measure import Agreement, Case, Pair, Skip, measure
from tests.bench.oracle import find_reach_slowly
from tests.bench.peers import count_wrong, find_truth
from tests.bench.table import format_table
from tests.bench.worker import run_cases


@pytest.fixture(autouse=True)
def quick_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have memory measured on little of it."""
    monkeypatch.setattr(machine, "SWEEP_ITEMS", 1 << 12)


@pytest.mark.parametrize("name", program.NAMES)
def test_every_name_makes_its_comparisons_or_says_why_not(name: str, tmp_path: Path) -> None:
    found = cases.list_cases(name, cases.GRID, make_grid)
    run_cases(found, tmp_path / "lines", turns=1, budget_s=0.1)
    lines = [json.loads(line) for line in (tmp_path / "lines").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == len(found) > 0
    for line in lines:
        assert "failed" not in line, line
        assert line["name"] == name
        if "skipped" in line:
            assert line["skipped"]
            continue
        assert list(line)[:8] == ["name", "size", "peer", "ours_s", "peer_s", "ratio", "goal", "mismatches"]
        assert line["mismatches"] == 0, line
        assert line["compared"] > 0
        assert not line["peer_wrong"], line


def test_scipy_is_always_there_to_compare_with(tmp_path: Path) -> None:
    found = [case for case in cases.list_cases("nearest", cases.GRID, make_grid) if case.peer.startswith("scipy")]
    run_cases(found, tmp_path / "lines", turns=2, budget_s=5)
    line = json.loads((tmp_path / "lines").read_text(encoding="utf-8"))
    assert (line["mismatches"], line["compared"], line["peer_wrong"], line["turns"]) == (0, 20 * 169, 0, 2)
    assert line["ratio"] == pytest.approx(line["peer_s"] / line["ours_s"], abs=0.01)


def test_a_wrong_label_is_a_mismatch() -> None:
    ground = make_grid()
    labels = nearest.find_ours(ground)(0)
    assert nearest.check_ours(ground, labels)[0] == 0
    labels[3][7] += 1
    labels[4][8] = NONE
    wrong, compared, _ = nearest.check_ours(ground, labels)
    assert (wrong, compared) == (2, sum(one.size for one in labels))


def test_the_oracle_for_homes_agrees_with_the_engine_to_the_bit() -> None:
    ground = make_grid()
    for rows in ground.types:
        seeds = seed_sites(ground.walk, ground.entrances, rows)
        label = find_reach_slowly(ground.walk, ground.homes, ground.entrances, seeds, BOUND_MS)
        (reach,) = find_reach(ground.walk, ground.homes, ground.entrances, facilities=[rows], bounds_s=[900])
        ms, facility = split_labels(label)
        assert (reach.reach_ms == ms).all()
        assert (reach.facility == facility).all()
        assert (ms >= 0).any()


def test_a_tie_goes_to_the_lowest_facility_in_the_oracle() -> None:
    ground = make_grid()
    network = ground.walk.network
    corner = np.array([0, network.node_count - 1], dtype=np.int32)
    ms, facility = split_labels(find_truth(ground, corner, 10**7))
    assert (facility[ms == ms.max()] == 0).all()


def make_case(**changes: Any) -> Case:
    pair = Pair(lambda _turn: 1, lambda _turn: 2, lambda _ours, _peer: Agreement(0, 1), timed="nothing")
    return Case("nearest", "grid", "nobody", 1.0, lambda: replace(pair, **changes))


def test_turns_are_taken_alternately_and_scaled() -> None:
    calls: list[str] = []
    case = make_case(
        ours=lambda turn: calls.append(f"ours {turn}"),
        peer=lambda turn: calls.append(f"peer {turn}"),
        before=lambda turn: calls.append(f"before {turn}"),
        peer_scale=1e6,
    )
    found = measure(case, turns=2, budget_s=60)
    first = ["before 0", "ours 0", "peer 0"]
    assert calls == [*first, "before 1", "ours 1", "peer 1", "before 2", "ours 2", "peer 2"]
    assert found.turns == 2
    assert found.ratio > 1000


def test_a_slow_peer_is_asked_once() -> None:
    calls: list[int] = []
    found = measure(make_case(peer=calls.append), turns=3, budget_s=0.0)
    assert calls == [0]
    assert found.turns == 1


def test_a_budget_is_compared_by_our_clock() -> None:
    clock = iter(range(100))
    found = measure(make_case(peer=3.0, clock=lambda: next(clock)), turns=3, budget_s=60)
    assert (found.ours_s, found.peer_s, found.ratio, found.peer_mb) == (1.0, 3.0, 3.0, None)


def test_a_failing_case_is_told_and_the_next_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_turn: int) -> int:
        raise ValueError("no answer")

    def leave_out() -> Pair:
        raise Skip("not installed")

    found = [make_case(peer=fail), Case("nearest", "grid", "absent", 1.0, leave_out), make_case()]
    run_cases(found, tmp_path / "lines", turns=1, budget_s=1)
    lines = [json.loads(line) for line in (tmp_path / "lines").read_text(encoding="utf-8").splitlines()]
    assert lines[0]["failed"] == "ValueError: no answer"
    assert lines[1]["skipped"] == "not installed"
    assert lines[2]["mismatches"] == 0
    assert "no answer" in capsys.readouterr().err
    text = "\n".join(format_table(lines))
    assert "FAILED: nearest grid against nobody: ValueError: no answer" in text
    assert "left out: nearest grid against absent: not installed" in text
    assert "✓" in text or "✗" in text


def test_a_mismatch_is_never_a_goal_met() -> None:
    case = make_case(peer=1e6, check=lambda _ours, _peer: Agreement(1, 10))
    line = vars(measure(case, turns=1, budget_s=1))
    assert line["ratio"] > line["goal"]
    assert "✗" in "\n".join(format_table([line]))


def test_answers_of_peers_are_compared_within_their_tolerance() -> None:
    label = np.array([5 << 32, 10 << 32 | 3, NONE, 899_999 << 32], dtype=np.int64)
    exact = np.array([5.0, 10.0, np.inf, 899_999.0])
    assert count_wrong(exact, label, tolerance_ms=0, bound_ms=900_000) == 0
    near = np.array([5.4, 9.6, 900_000.2, np.inf])
    assert count_wrong(near, label, tolerance_ms=1, bound_ms=900_000) == 0
    assert count_wrong(near, label, tolerance_ms=0, bound_ms=900_000) == 3
    lost = np.array([np.inf, 10.0, 30.0, 899_999.0])
    assert count_wrong(lost, label, tolerance_ms=1, bound_ms=900_000) == 2


def test_catchments_are_compared_node_by_node() -> None:
    truth = (np.array([1, 2, 3]), np.array([10.0, 20.0, 30.0]))
    assert count_differing(truth, truth, 0.0) == 0
    assert count_differing((np.array([1, 3, 4]), np.array([10.0, 31.0, 5.0])), truth, 0.0) == 3
    assert count_differing((np.array([1, 2, 3, 3]), np.array([10.0, 20.0, 30.0, 30.0])), truth, 0.0) > 0


def test_links_are_compared_to_the_millimetre() -> None:
    truth = np.array([1.0, 2.0, 299.9999999, 400.0])
    assert compare(np.array([1.0005, 2.0, np.inf, np.inf]), truth) == 0
    assert compare(np.array([1.002, np.inf, 300.0, 10.0]), truth) == 3


def test_the_floor_reads_every_arc() -> None:
    ground = make_grid()
    assert measure_floor(ground.graph, np.arange(ground.graph.node_count, dtype=np.int32)) > 0


def test_the_command_prints_json_alone_on_standard_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    line = vars(measure(make_case(), turns=1, budget_s=1))
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))
    monkeypatch.setattr(program, "fill", lambda _sizes: None)
    monkeypatch.setattr(program, "measure", lambda *_: ([dict(line), {**line, "skipped": "no"}], False))
    done = CliRunner().invoke(program.bench, ["--json", "--size", "S", "nearest"])
    assert done.exit_code == 0, done.output
    (first, *_) = json.loads(done.stdout)
    assert first["peer"] == "nobody"
    monkeypatch.setattr(program, "measure", lambda *_: ([{**line, "mismatches": 2}], False))
    assert CliRunner().invoke(program.bench, ["--size", "S", "nearest"]).exit_code == 1


def test_a_group_that_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "false")
    (line,), stopped = program.measure(["nearest"], "grid", 1, 1.0)
    assert "the process ended with 1" in line["failed"]
    assert not stopped


def test_ctrl_c_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def interrupt(command: list[str], **_: Any) -> None:
        asked.append(command[-4])
        Path(command[-1]).write_text(json.dumps(vars(measure(make_case(), turns=1, budget_s=1))), encoding="utf-8")
        raise KeyboardInterrupt

    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))
    monkeypatch.setattr(program, "fill", lambda _sizes: None)
    monkeypatch.setattr("subprocess.run", interrupt)
    done = CliRunner().invoke(program.bench, ["--json", "--size", "S", "--size", "M", "nearest"])
    assert done.exit_code == 130, done.output
    assert [line["peer"] for line in json.loads(done.stdout)] == ["nobody"]
    assert "stopped by Ctrl-C" in done.stderr
    assert asked == ["S"]


def test_bytes_held_are_told_beside_their_goals() -> None:
    line = vars(measure(make_case(held=lambda: {"node": 191.4, "building": 99.6}), turns=1, budget_s=1))
    assert "191 bytes a node (goal 250), 100 bytes a building (goal 100)" in "\n".join(format_table([line]))


def test_the_peers_are_locked_beside_what_the_tests_need() -> None:
    root = program.ROOT
    extras = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    pins = {}
    for name in ("dev", "bench"):
        text = (root / f"requirements-{name}.lock").read_text(encoding="utf-8")
        assert "://" not in text
        entries = re.split(r"\n(?=\S)", text.strip())
        assert all("--hash=sha256:" in entry for entry in entries)
        pins[name] = {entry.split(" ", 1)[0] for entry in entries}
    assert pins["dev"] <= pins["bench"]
    peers = {re.split(r"[<>=]", peer)[0] for peer in extras["bench"]}
    assert peers <= {pin.split("==")[0] for pin in pins["bench"]}


def test_without_real_data_the_sample_city_stands_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ONEMAP_REAL_DATA", str(tmp_path / "nowhere"))
    assert program.replace_missing(["real-cambridge", "real-helsinki", "L"]) == ["S", "L"]
