"""``onemap standards``: what a person and a program see of the pack, and a city file that cannot be used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from api.cli.main import run

if TYPE_CHECKING:
    from pathlib import Path


def test_the_list_shows_limits_and_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["standards", "list", "--category", "education"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "cn-2026.1: 91 rows, 58 judged by walking; 7 listed"
    kinder = next(line for line in out if line.startswith("EDU_KINDER"))
    assert "5.0 min" in kinder
    assert "300 m" in kinder
    assert "幼儿园 / Kindergarten" in kinder
    assert "(no_limit)" in next(line for line in out if line.startswith("EDU_SENIOR"))


def test_the_list_for_programs_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["standards", "list", "--testable", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 58
    assert {row["pack_version"] for row in rows} == {"cn-2026.1"}
    assert all(row["limit_s"] for row in rows)


def test_one_type_is_shown_with_its_clause(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["standards", "show", "sha_x"]) == 2
    assert "SHA_X" in capsys.readouterr().err
    assert run(["standards", "show", "med_ems"]) == 0
    out = capsys.readouterr().out
    assert "国卫医发〔2020〕19号" in out
    assert "reached by vehicle" in out
    assert run(["standards", "show", "MED_EMS", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["radius_m"] == 5000


def test_the_city_file_of_the_settings_is_in_force(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "wuhan.csv"
    path.write_text("code,walk_minutes\nEDU_PRIMARY,12\n", encoding="utf-8")
    monkeypatch.setenv("ONEMAP_CITY_FILE", str(path))
    assert run(["standards", "show", "EDU_PRIMARY"]) == 0
    out = capsys.readouterr().out
    assert "cn-2026.1+wuhan@" in out
    assert "limit_s              720" in out


def test_a_city_file_is_checked_and_its_changes_are_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "wuhan.csv"
    path.write_text("code,walk_minutes,source,certainty\nEDU_PRIMARY,12,武规〔2026〕1号,sure\n", encoding="utf-8")
    assert run(["standards", "validate", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["version"].startswith("cn-2026.1+wuhan@")
    assert {change["column"]: (change["national"], change["city"]) for change in report["changes"]} == {
        "walk_minutes": (10, 12),
        "limit_s": (600, 720),
        "source": ("GB 50180-2018 附录B 表B.0.1; 附录C 表C.0.1", "武规〔2026〕1号"),
    }
    assert run(["standards", "validate", str(path)]) == 0
    assert "10 -> 12" in capsys.readouterr().out
    assert run(["standards", "list", "--city", str(path), "--category", "education"]) == 0
    assert "12.0 min" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["validate", "gone.csv"], "gone.csv"),
        (["validate", "bad.csv"], "unknown column 'radius'"),
        (["list", "--category", "schools"], "education"),
        (["list", "--city", "bad.csv"], "unknown column 'radius'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_exit_code_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.csv").write_text("code,radius\nEDU_PRIMARY,12\n", encoding="utf-8")
    assert run(["standards", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
