"""The standards pack, profiles and layer catalogue: their invariants, and city files that are refused."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import math
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.errors import DataError, NotFound
from layers.catalog import (
    BANDS,
    COUNT_COLUMNS,
    LAYERS,
    NOT_JUDGED,
    OF_WHICH,
    column_key,
    find_layer,
    read_pack,
)
from layers.catalog.facility_type import COLUMNS, find_faults, parse_row
from layers.catalog.resources import parse_csv, read_csv, read_text
from layers.tables import COUNT_COLUMNS as STORED_COUNT_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

PACK = read_pack()


# --- the national pack


def test_the_pack_has_the_rows_of_the_shared_table() -> None:
    kinds = [row.kind for row in PACK]
    assert len(PACK) == 91
    assert sum(kind in ("point", "area") for kind in kinds) == len(PACK.facility_types) == 85
    assert kinds.count("aggregate") == kinds.count("indicator") == 3
    assert len(PACK.testable) == 58
    assert {row.code for row in PACK.testable}.isdisjoint(code for code, _ in PACK.not_judged)
    assert len(PACK.testable) + len(PACK.not_judged) == len(PACK)


def test_no_row_of_the_pack_breaks_its_contract() -> None:
    assert {row.code: faults for row in PACK if (faults := find_faults(row, codes=PACK.codes))} == {}


def test_the_columns_of_the_pack_are_those_of_the_shared_table_in_order() -> None:
    header = next(csv.reader(read_text("standards.csv").splitlines()))
    assert tuple(header) == COLUMNS


def test_limits_are_the_minutes_else_the_radius_at_1_11_metres_a_second() -> None:
    for row in PACK.testable:
        if row.walk_minutes is not None:
            assert row.limit_s == row.walk_minutes * 60
            assert row.limit_rule == "minutes"
        else:
            assert row.radius_m is not None
            assert row.limit_s is not None
            assert row.limit_rule == "radius"
            assert row.limit_s - 1 < row.radius_m / 1.11 <= row.limit_s
    assert {row.code: row.limit_s for row in PACK.testable if row.limit_rule == "radius"} == {
        "ADM_POLICE": 721,
        "TRA_METRO": 721,
        "TRA_PARKING": 136,
        "MUN_BIN": 64,
        "SAF_SHELTER_S": 901,
        "SAF_SHELTER_M": 1352,
        "SAF_SHELTER_L": 2253,
    }
    assert all(row.limit_s is None for row in PACK if not row.testable)


@pytest.mark.parametrize(("radius_m", "limit_s"), [("1110", 1000), ("1110.01", 1001), ("111", 100), ("1", 1)])
def test_a_radius_is_rounded_up_exactly_and_not_by_binary_fractions(radius_m: str, limit_s: int) -> None:
    row = _row("ADM_POLICE") | {"radius_m": radius_m}
    assert parse_row(row).limit_s == limit_s


def test_the_testable_column_decides_and_not_minutes_or_radius() -> None:
    # both have a radius, and one has minutes, but nobody walks to an indicator
    assert PACK["GRN_GREENWAY"].walk_minutes == 15
    assert PACK["GRN_GREENWAY"].limit_s is None
    assert PACK["GRN_COVERAGE"].limit_s is None


def test_every_type_that_is_not_judged_says_why_in_two_languages() -> None:
    reasons = dict(PACK.not_judged)
    assert set(reasons.values()) == set(NOT_JUDGED)
    assert reasons["ELD_FLOORAREA"] == "aggregate"
    assert reasons["GRN_COVERAGE"] == "indicator"
    assert reasons["MED_EMS"] == "drive"
    assert reasons["MUN_GAS"] == "not_walked"
    assert reasons["COM_STORE"] == "block"
    assert reasons["EDU_SENIOR"] == "no_limit"
    assert all(zh and en for zh, en in NOT_JUDGED.values())


def test_demand_groups_name_columns_that_exist() -> None:
    assert PACK["ELD_DAYCARE"].demand_groups == ("a60_64", "a65_79", "a80_up")
    named = {part for row in PACK for part in row.demand_groups}
    assert named - set(COUNT_COLUMNS) == {"all", "residential_land", "area"}


def test_a_nine_year_school_also_serves_primary_and_junior_pupils() -> None:
    assert PACK["EDU_NINEYEAR"].serves == ("EDU_NINEYEAR", "EDU_PRIMARY", "EDU_JUNIOR")


def test_tag_sets_are_alternatives_of_conjunctions() -> None:
    assert PACK["EDU_NURSERY"].tag_sets == (
        (("amenity", "childcare"),),
        (("amenity", "kindergarten"), ("min_age", "0")),
    )
    assert PACK["EDU_NINEYEAR"].tag_sets == ((("amenity", "school"), ("isced:level", "1;2")),)
    assert PACK["ELD_FLOORAREA"].tag_sets == ()


def test_rows_are_json_with_clause_certainty_and_version() -> None:
    rows = PACK.rows()
    assert json.loads(json.dumps(rows)) == rows
    row = next(row for row in rows if row["code"] == "EDU_KINDER")
    assert row["limit_s"] == 300
    assert row["pack_version"] == PACK.version == "cn-2026.1"
    assert row["source"].startswith("GB 50180-2018")
    assert row["certainty"] == "sure"
    assert row["demand_groups"] == ["a03_05"]
    assert row["norm_base"] == "residents"
    assert row["norm_group"] is None
    assert row["testable"] is True


def test_the_tiers_are_those_of_table_3_0_4() -> None:
    assert [(tier.tier, tier.walk_minutes, tier.people_min) for tier in PACK.tiers] == [
        ("15min", 15, 50000),
        ("10min", 10, 15000),
        ("5min", 5, 5000),
        ("block", None, 1000),
    ]


def test_every_evidence_code_is_explained() -> None:
    used = {code for row in PACK for code in row.evidence.split(",")}
    assert used <= set(PACK.meta["evidence"])
    json.dumps(dict(PACK.meta))


def test_an_unknown_code_names_the_parameter() -> None:
    with pytest.raises(NotFound, match="EDU_NOWHERE") as caught:
        PACK["EDU_NOWHERE"]
    assert caught.value.parameter == "type"


def test_two_readings_are_equal() -> None:
    assert read_pack() == PACK


# --- city files


def _row(code: str) -> dict[str, str]:
    return next(row for row in read_csv("standards.csv") if row["code"] == code)


def _write(folder: Path, content: str | bytes, *, name: str = "wuhan.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_city_file_changes_only_what_it_names_and_is_recorded_in_the_version(tmp_path: Path) -> None:
    pack = read_pack(city_file=_write(tmp_path, "code,radius_m,walk_minutes\nEDU_PRIMARY,600,12\nMED_CHS,400,\n"))
    changed = pack["EDU_PRIMARY"]
    assert (changed.radius_m, changed.walk_minutes, changed.limit_s) == (600, 12, 720)
    assert changed.overridden == ("radius_m", "walk_minutes")
    assert (pack["MED_CHS"].radius_m, pack["MED_CHS"].walk_minutes) == (400, 5)
    assert pack["EDU_KINDER"] == PACK["EDU_KINDER"]
    digest = hashlib.sha256(
        b'{"EDU_PRIMARY": {"radius_m": "600", "walk_minutes": "12"}, "MED_CHS": {"radius_m": "400"}}'
    ).hexdigest()
    assert pack.version == f"cn-2026.1+wuhan@{digest[:8]}"


def test_a_figure_of_the_city_does_not_stand_under_the_national_clause(tmp_path: Path) -> None:
    changed = read_pack(city_file=_write(tmp_path, "code,radius_m\nEDU_PRIMARY,600\n"))["EDU_PRIMARY"]
    assert changed.source.startswith("city file wuhan: radius_m")
    assert changed.certainty == "unverified"
    own = "code,radius_m,source,certainty\nEDU_PRIMARY,600,武规〔2026〕1号,sure\n"
    named = read_pack(city_file=_write(tmp_path, own))["EDU_PRIMARY"]
    assert (named.source, named.certainty) == ("武规〔2026〕1号", "sure")
    renamed = read_pack(city_file=_write(tmp_path, "code,name_en\nEDU_PRIMARY,Primary\n"))["EDU_PRIMARY"]
    assert (renamed.source, renamed.certainty) == (PACK["EDU_PRIMARY"].source, "sure")


def test_csv_and_toml_with_the_same_changes_are_the_same_version(tmp_path: Path) -> None:
    table = read_pack(city_file=_write(tmp_path, "code,radius_m,testable\r\nMUN_COLLECT,,no\r\nEDU_KINDER,350,\r\n"))
    text = "[types.EDU_KINDER]\nradius_m = 350\n\n[types.MUN_COLLECT]\ntestable = false\n"
    assert read_pack(city_file=_write(tmp_path, text, name="wuhan.toml")) == table
    named = read_pack(city_file=_write(tmp_path, f'name = "Wuhan 2026"\n{text}', name="x.toml"))
    assert named.version.startswith("cn-2026.1+wuhan-2026@")


def test_a_city_may_make_a_type_testable_and_its_limit_rule_follows(tmp_path: Path) -> None:
    row = read_pack(city_file=_write(tmp_path, "code,walk_minutes,testable\nTRA_TERMINAL,15,yes\n"))["TRA_TERMINAL"]
    assert (row.testable, row.limit_s, row.limit_rule, row.not_judged_reason) == (True, 900, "minutes", None)


def test_a_dash_clears_and_an_empty_cell_keeps(tmp_path: Path) -> None:
    row = read_pack(city_file=_write(tmp_path, "code,walk_minutes,radius_m\nEDU_KINDER,-,\n"))["EDU_KINDER"]
    assert (row.walk_minutes, row.radius_m, row.limit_rule, row.limit_s) == (None, 300, "radius", 271)


def test_a_city_file_may_be_gbk_with_a_chinese_name(tmp_path: Path) -> None:
    path = _write(tmp_path, "code,name_zh\nEDU_KINDER,幼儿园(示范)\n".encode("gb18030"), name="武汉市.csv")
    pack = read_pack(city_file=path)
    assert pack["EDU_KINDER"].name_zh == "幼儿园(示范)"
    assert pack.version.startswith("cn-2026.1+武汉市@")


BAD_CITY_FILES: list[tuple[str, str, str | bytes, str]] = [
    ("no rows", "a.csv", "", "is empty"),
    ("header only", "a.csv", "code,radius_m\n", "changes nothing"),
    ("only empty cells", "a.csv", "code,radius_m\nEDU_KINDER,\n", "changes nothing"),
    ("no code column", "a.csv", "type,radius_m\nEDU_KINDER,300\n", "no column code"),
    ("unknown column", "a.csv", "code,radius\nEDU_KINDER,300\n", "unknown column 'radius'"),
    ("unknown code", "a.csv", "code,radius_m\nEDU_KINDERGARTEN,300\n", "unknown code 'EDU_KINDERGARTEN'"),
    ("code in small letters", "a.csv", "code,radius_m\nedu_kinder,300\n", "unknown code 'edu_kinder'"),
    ("code twice", "a.csv", "code,radius_m\nEDU_KINDER,300\nEDU_KINDER,400\n", "stands twice"),
    ("column twice", "a.csv", "code,radius_m,radius_m\nEDU_KINDER,300,400\n", "stands twice in the header"),
    ("column without a name", "a.csv", "code,\nEDU_KINDER,300\n", "has no name"),
    ("cell too many", "a.csv", "code,radius_m\nEDU_KINDER,300,400\n", "row 2: 3 cells, expected 2"),
    ("words for a number", "a.csv", "code,radius_m\nEDU_KINDER,三百\n", "expected a number"),
    ("unit in the number", "a.csv", "code,radius_m\nEDU_KINDER,300 m\n", "expected a number"),
    ("not a number", "a.csv", "code,radius_m\nEDU_KINDER,nan\n", "finite"),
    ("infinite", "a.csv", "code,radius_m\nEDU_KINDER,inf\n", "finite"),
    ("negative", "a.csv", "code,radius_m\nEDU_KINDER,-300\n", "not below 0"),
    ("zero limit", "a.csv", "code,walk_minutes\nEDU_KINDER,0\n", "walk_minutes is 0"),
    ("least above most", "a.csv", "code,norm_low\nEDU_KINDER,50\n", "norm_low 50 is above norm_high 45"),
    ("unknown tier", "a.csv", "code,circle\nEDU_KINDER,20min\n", "circle is '20min'"),
    ("unknown obligation", "a.csv", "code,obligation\nEDU_KINDER,must\n", "obligation is 'must'"),
    ("unknown certainty", "a.csv", "code,certainty\nEDU_KINDER,maybe\n", "certainty is 'maybe'"),
    ("testable neither yes nor no", "a.csv", "code,testable\nEDU_KINDER,true\n", "expected yes or no"),
    ("testable without a limit", "a.csv", "code,testable\nTRA_TERMINAL,yes\n", "neither walk_minutes nor radius_m"),
    ("testable but driven", "a.csv", "code,testable,walk_minutes\nSAF_FIRE1,yes,5\n", "mode is drive"),
    ("testable indicator", "a.csv", "code,testable\nGRN_COVERAGE,yes\n", "kind is indicator"),
    ("limit rule that lies", "a.csv", "code,limit_rule\nEDU_KINDER,radius\n", "limit_rule is radius"),
    ("unknown demand group", "a.csv", "code,demand_group_code\nEDU_KINDER,a03_06\n", "'a03_06'"),
    ("norm without its base", "a.csv", "code,norm_base\nEDU_KINDER,-\n", "without norm_base"),
    ("tags that are no tags", "a.csv", "code,osm_tags\nEDU_KINDER,kindergarten\n", "not key=value"),
    ("serves an unknown type", "a.csv", "code,counts_for\nEDU_KINDER,EDU_CRECHE\n", "EDU_CRECHE"),
    ("name cleared", "a.csv", "code,name_zh\nEDU_KINDER,-\n", "name_zh is empty"),
    ("quote never closed", "a.csv", 'code,name_zh\nEDU_KINDER,"幼儿园\n', "not a CSV table"),
    ("spreadsheet", "a.xlsx", "code,radius_m\nEDU_KINDER,300\n", "'.xlsx'"),
    ("binary", "a.csv", b"code\0radius_m\xff\xfe", "not a text file"),
    ("larger than a table can be", "a.csv", b"code\n" + b"x\n" * 600_000, "larger than 1 MB"),
    ("broken TOML", "a.toml", "[types.EDU_KINDER\nradius_m = 1", "not TOML"),
    ("TOML with other keys", "a.toml", "[EDU_KINDER]\nradius_m = 300\n", "key 'EDU_KINDER'"),
    ("TOML type that is no table", "a.toml", "[types]\nEDU_KINDER = 300\n", "not tables"),
    ("TOML list for a value", "a.toml", "[types.EDU_KINDER]\nradius_m = [300]\n", "expected a text"),
    ("TOML infinity", "a.toml", "[types.EDU_KINDER]\nradius_m = inf\n", "finite"),
    ("TOML name that is no text", "a.toml", "name = 3\n[types.EDU_KINDER]\nradius_m = 3\n", "name is 3"),
    ("TOML code as a column", "a.toml", "[types.EDU_KINDER]\ncode = 'EDU_X'\n", "unknown column 'code'"),
    ("name without a letter", "---.csv", "code,radius_m\nEDU_KINDER,300\n", "no letter or digit"),
]


@pytest.mark.parametrize(
    ("name", "content", "message"), [case[1:] for case in BAD_CITY_FILES], ids=[case[0] for case in BAD_CITY_FILES]
)
def test_a_city_file_that_breaks_the_contract_is_refused(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_pack(city_file=_write(tmp_path, content, name=name))
    assert message in caught.value.message
    assert str(tmp_path) not in caught.value.message


def test_a_city_file_that_is_not_there_is_refused_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"city file gone\.csv") as caught:
        read_pack(city_file=tmp_path / "gone.csv")
    assert str(tmp_path) not in caught.value.message


def test_every_fault_of_a_city_file_is_named_at_once(tmp_path: Path) -> None:
    content = "code,radius_m,obligation\nEDU_KINDER,abc,required\nEDU_PRIMARY,500,must\nMED_CHS,-1,\n"
    with pytest.raises(DataError) as caught:
        read_pack(city_file=_write(tmp_path, content))
    assert all(code in caught.value.message for code in ("EDU_KINDER", "EDU_PRIMARY", "MED_CHS"))
    assert "nothing was changed" in caught.value.message


@given(
    cells=st.dictionaries(
        st.sampled_from([name for name in COLUMNS if name != "code"]),
        st.text(max_size=12) | st.floats().map(str) | st.integers(-5, 5000).map(str),
        min_size=1,
        max_size=4,
    )
)
def test_any_city_file_gives_a_whole_pack_or_a_data_error(cells: dict[str, str], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("city") / "city.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([["code", *cells], ["EDU_KINDER", *cells.values()]])
    try:
        pack = read_pack(city_file=path)
    except DataError:
        return
    assert [row.code for row in pack] == [row.code for row in PACK]
    assert not any(find_faults(row, codes=pack.codes) for row in pack)
    limit_s = pack["EDU_KINDER"].limit_s
    assert (limit_s is not None) == pack["EDU_KINDER"].testable
    assert pack.version != PACK.version


# --- shipped tables


INPUT_COLUMNS = {
    "areas": "code* name level parent_code",
    "compounds": "source_id* name",
    "gates": "source_id* compound_id opens_to hours",
    "buildings": "source_id* name use floors dwellings people households address handed_over_on entrance",
    "population": " ".join(["building_id", "area_code", *COUNT_COLUMNS]),
    "facilities": "source_id* type* name capacity supply opening_hours address",
    "incidents": "source_id* reported_at* class severity status text closed_at",
    "streets": "source_id* highway foot access steps incline wheelchair oneway maxspeed",
}


def test_the_layers_take_the_columns_of_the_contract() -> None:
    assert {
        name: " ".join(column.name + "*" * column.required for column in layer.columns)
        for name, layer in LAYERS.items()
    } == INPUT_COLUMNS


def test_sensitive_columns_are_marked() -> None:
    assert {(layer.name, name) for layer in LAYERS.values() for name in layer.sensitive} == {
        ("population", "floating"),
        ("population", "living_alone_60_up"),
        ("population", "new_employment"),
        ("incidents", "text"),
    }


def test_choices_hold_the_words_of_the_contract() -> None:
    assert LAYERS["gates"]["opens_to"].values == ("residents", "all")
    assert LAYERS["facilities"]["supply"].values == ("public", "market", "contracted", "shared")
    for layer in LAYERS.values():
        for column in layer.columns:
            assert (column.type == "choice") == bool(column.values), column
            assert column.title_zh
            assert column.title_en


def test_no_word_names_two_columns_of_a_layer() -> None:
    for layer in LAYERS.values():
        owners: dict[str, set[str]] = {}
        for column in layer.columns:
            for word in (column.name, column.title_zh, column.title_en, *column.aliases):
                assert column_key(word), word
                owners.setdefault(column_key(word), set()).add(column.name)
        assert {word: names for word, names in owners.items() if len(names) > 1} == {}


@pytest.mark.parametrize(
    ("layer", "header", "column"),
    [
        ("buildings", "SOURCE_ID", "source_id"),
        ("buildings", "building:levels", "floors"),
        ("buildings", " 层数 ", "floors"),
        ("buildings", "户数", "dwellings"),
        ("buildings", "楼栋编号", "source_id"),
        ("buildings", "POP_LAB", "people"),
        ("population", "80+", "a80_up"),
        ("population", "0-2岁", "a00_02"),
        ("population", "８０岁及以上", "a80_up"),  # full-width digits
        ("facilities", "类别", "type"),
        ("facilities", "床位数", "capacity"),
        ("areas", "社区代码", "code"),
        ("incidents", "受理时间", "reported_at"),
        ("streets", "80", None),
        ("streets", "", None),
        ("gates", "所属小区", "compound_id"),
    ],
)
def test_headers_are_understood(layer: str, header: str, column: str | None) -> None:
    assert LAYERS[layer].find_column(header) == column


def test_the_better_word_ranks_first() -> None:
    layer = LAYERS["facilities"]
    ranks = [layer.rank_alias("name", header) for header in ("name", "名称", "机构名称", "床位")]
    assert ranks[0] == 0
    assert ranks[1] is not None
    assert ranks[2] is not None
    assert ranks[1] < ranks[2]
    assert ranks[3] is None


def test_unknown_layers_and_columns_are_named() -> None:
    with pytest.raises(NotFound, match="houses"):
        find_layer("houses")
    with pytest.raises(NotFound, match="storeys"):
        LAYERS["buildings"]["storeys"]


def test_bands_are_those_of_the_tables() -> None:
    assert COUNT_COLUMNS == STORED_COUNT_COLUMNS
    ages = [(int(band[1:3]), None if band.endswith("up") else int(band[4:])) for band in BANDS]
    assert ages[0][0] == 0
    assert all(before[1] == after[0] - 1 for before, after in itertools.pairwise(ages) if before[1] is not None)
    assert set(OF_WHICH).isdisjoint(BANDS)


def test_every_shipped_file_is_read_from_the_package() -> None:
    names = {item.name for item in resources.files("data").iterdir() if item.name.endswith((".csv", ".toml"))}
    assert names >= {
        "columns.csv",
        "han_variants.csv",
        "layers.csv",
        "pack.toml",
        "profiles.csv",
        "recognition.csv",
        "speeds.csv",
        "standards.csv",
        "tiers.csv",
    }
    assert all(read_text(name) for name in names)
    with pytest.raises(DataError, match=r"nothing\.csv"):
        read_text("nothing.csv")


def test_a_table_keeps_line_ends_inside_quotes() -> None:
    assert parse_csv('a,b\r\n1,"x\ny"\r\n\r\n', label="t") == [{"a": "1", "b": "x\ny"}]


def test_limits_grow_with_the_radius() -> None:
    limits = [parse_row(_row("ADM_POLICE") | {"radius_m": str(radius_m)}).limit_s for radius_m in range(1, 3000, 7)]
    known = [limit_s for limit_s in limits if limit_s is not None]
    assert known == sorted(known)
    assert len(known) == len(limits)
    assert all(
        math.isclose(limit_s * 1.11, radius_m, abs_tol=1.11)
        for limit_s, radius_m in zip(known, range(1, 3000, 7), strict=True)
    )
