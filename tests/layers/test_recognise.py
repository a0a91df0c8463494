"""Recognition of facility types: the order of evidence, and traps of real data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from layers.catalog import read_pack
from layers.catalog.resources import read_csv
from layers.loading.recognise import Recognition, recognise, recognise_frame
from layers.loading.recognition_rules import fold, fold_category, read_rules, split_values

if TYPE_CHECKING:
    from pathlib import Path

PACK = read_pack()
SCHOOLS = ("EDU_PRIMARY", "EDU_JUNIOR", "EDU_NINEYEAR", "EDU_SENIOR")
CLINICS = ("MED_CHC", "MED_OUTPATIENT", "MED_CHS")
PARKS = ("GRN_PARK15", "GRN_PARK10", "GRN_PARK5", "GRN_POCKET")
PITCHES = ("SPO_LARGE", "SPO_MEDIUM", "SPO_SMALL")


def by_tags(text: str, *, name: str | None = None, area_m2: float | None = None) -> Recognition:
    tags = dict(pair.split("=", 1) for pair in text.split()) | ({"name": name} if name else {})
    return recognise(tags=tags, name=name, area_m2=area_m2, pack=PACK)


def by_category(category: str | None, *, name: str | None = None, area_m2: float | None = None) -> Recognition:
    return recognise(tags={}, category=category, name=name, area_m2=area_m2, pack=PACK)


def outcome(found: Recognition) -> str:
    """Return a result as the tables below write it: the type, ``a|b`` for a tie, ``-`` for no facility."""
    return found.type or "|".join(found.candidates) or "-"


# --- tag sets


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        # the most specific tag set wins
        ("amenity=kindergarten", "EDU_KINDER"),
        ("amenity=kindergarten min_age=0", "EDU_NURSERY"),
        ("amenity=childcare", "EDU_NURSERY|EDU_AFTERSCHOOL"),
        ("amenity=school", "|".join(SCHOOLS)),
        ("amenity=school isced:level=1", "EDU_PRIMARY"),
        ("amenity=school isced:level=2", "EDU_JUNIOR"),
        ("amenity=school isced:level=3", "EDU_SENIOR"),
        ("amenity=school isced:level=1;2", "EDU_NINEYEAR"),
        ("amenity=school isced:level=1-2", "EDU_NINEYEAR"),
        ("amenity=school isced:level=2;1", "EDU_NINEYEAR"),
        ("amenity=school isced:level=0;1", "EDU_PRIMARY"),
        ("amenity=school isced:level=2;3", "EDU_JUNIOR|EDU_SENIOR"),
        ("amenity=school isced:level=1;2;3", "EDU_NINEYEAR|EDU_SENIOR"),
        ("amenity=social_facility social_facility=nursing_home", "ELD_HOME|ELD_NURSING"),
        ("amenity=social_facility social_facility=day_care", "ELD_DAYCARE"),
        ("amenity=social_facility social_facility=day_care social_facility:for=child", "EDU_NURSERY|EDU_AFTERSCHOOL"),
        ("amenity=social_facility social_facility=day_care social_facility:for=disabled", "-"),
        ("amenity=social_facility social_facility:for=senior", "ELD_CENTER|ELD_STATION"),
        ("amenity=social_facility social_facility=outreach", "-"),
        ("amenity=fire_station", "SAF_FIRE1|SAF_FIRE2|SAF_FIRES"),
        ("amenity=fire_station fire_station:type=micro", "SAF_MICROFIRE"),
        ("amenity=charging_station", "TRA_EV_PUB"),
        ("amenity=charging_station bicycle=yes", "TRA_EBIKE"),
        ("amenity=charging_station bicycle=yes motorcar=yes", "TRA_EV_PUB"),
        ("amenity=clinic", "|".join(CLINICS)),
        ("amenity=doctors", "|".join(CLINICS)),
        ("amenity=clinic healthcare:speciality=plastic_surgery", "-"),
        ("amenity=recycling", "MUN_BIN|MUN_RECYCLE"),
        ("amenity=recycling recycling_type=centre", "MUN_RECYCLE"),
        ("amenity=waste_transfer_station", "MUN_COLLECT|MUN_TRANSFER"),
        # one object marked twice is one facility
        ("highway=bus_stop public_transport=platform bus=yes", "TRA_BUS"),
        ("highway=bus_stop public_transport=stop_position bus=yes", "TRA_BUS"),
        ("public_transport=stop_position bus=yes", "-"),
        ("public_transport=platform", "TRA_BUS"),
        ("public_transport=platform railway=platform", "-"),
        ("public_transport=platform tram=yes", "TRA_METRO|TRA_BUS"),
        ("public_transport=platform bus=yes tram=yes", "TRA_BUS"),
        # the station is the facility, its entrance and its platform are not
        ("railway=station station=subway", "TRA_METRO"),
        ("railway=station subway=yes", "TRA_METRO"),
        ("railway=station train=yes", "-"),
        ("railway=station", "TRA_METRO"),
        ("railway=subway_entrance", "-"),
        ("railway=tram_stop", "TRA_METRO|TRA_BUS"),
        ("amenity=bus_station", "TRA_TERMINAL"),
        # what the pack does not hold
        ("amenity=driving_school", "-"),
        ("amenity=university", "-"),
        ("amenity=veterinary", "-"),
        ("amenity=parking_entrance", "-"),
        ("amenity=parking_space", "-"),
        ("amenity=vending_machine vending=parking_tickets", "-"),
        ("amenity=vending_machine vending=parcel_pickup", "COM_PARCEL"),
        ("shop=yes", "-"),
        ("building=school", "-"),
        ("highway=residential", "-"),
        # several values in one tag
        ("shop=hairdresser;beauty", "COM_SHOPS"),
        ("amenity=bank;atm", "COM_BANK"),
    ],
)
def test_tags(tags: str, expected: str) -> None:
    assert outcome(by_tags(tags)) == expected


def test_one_possible_type_or_nothing_is_uncertain_and_not_chosen() -> None:
    found = by_tags("railway=station")
    assert (found.type, found.candidates) == (None, ("TRA_METRO",))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("amenity=kindergarten disused=yes", "-"),
        ("amenity=school abandoned=yes", "-"),
        ("amenity=bank demolished=yes", "-"),
        ("disused:amenity=bank", "-"),
        ("was:amenity=bus_station", "-"),
        ("construction:amenity=school", "-"),
        ("amenity=hospital construction=yes", "-"),
        ("amenity=hospital construction=1998", "MED_HOSPITAL"),
        ("amenity=bank disused=no", "COM_BANK"),
        # a former reference does not close the station
        ("railway=station station=subway was:ref=0014", "TRA_METRO"),
    ],
)
def test_what_is_not_in_use_is_no_facility(tags: str, expected: str) -> None:
    assert outcome(by_tags(tags)) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("leisure=swimming_pool access=private", "-"),
        ("leisure=sports_centre access=private", "-"),
        ("leisure=playground access=private", "SPO_KIDSOLD"),
        ("amenity=toilets access=customers", "-"),
        ("amenity=toilets access=private", "-"),
        ("amenity=toilets access=yes", "MUN_TOILET"),
        ("amenity=parking access=private", "TRA_PARKING"),
        ("amenity=parking access=customers", "-"),
        ("amenity=school access=private isced:level=1", "EDU_PRIMARY"),
        ("amenity=charging_station access=private", "-"),
    ],
)
def test_who_may_enter_counts(tags: str, expected: str) -> None:
    assert outcome(by_tags(tags)) == expected


# --- size


@pytest.mark.parametrize(
    ("tags", "area_m2", "expected"),
    [
        ("leisure=park", None, "|".join(PARKS)),
        ("leisure=park", 830_000, "GRN_PARK15"),
        ("leisure=park", 50_000, "GRN_PARK15"),
        ("leisure=park", 49_999.9, "GRN_PARK10"),
        ("leisure=park", 10_000, "GRN_PARK10"),
        ("leisure=park", 4_000, "GRN_PARK5"),
        ("leisure=park", 2_000, "GRN_POCKET"),
        ("leisure=park", 1_999, "-"),
        ("leisure=park", 0, "|".join(PARKS)),
        ("leisure=park", -5, "|".join(PARKS)),
        ("leisure=park", float("nan"), "|".join(PARKS)),
        ("leisure=park", float("inf"), "|".join(PARKS)),
        ("leisure=pitch", None, "|".join(PITCHES)),
        ("leisure=pitch", 13_637, "SPO_LARGE"),
        ("leisure=pitch", 3_150, "SPO_LARGE"),
        ("leisure=pitch", 2_500, "SPO_MEDIUM"),
        ("leisure=pitch", 800, "SPO_SMALL"),
        ("leisure=pitch", 420, "-"),
        ("leisure=fitness_station", None, "SPO_OUTDOOR|SPO_EQUIP"),
        ("leisure=fitness_station", 400, "SPO_OUTDOOR"),
        ("leisure=fitness_station", 20, "SPO_EQUIP"),
        ("leisure=fitness_station fitness_station=push-up", None, "SPO_EQUIP"),
        ("shop=supermarket", None, "COM_MARKET"),
        ("shop=supermarket", 2_000, "COM_MARKET"),
        ("shop=supermarket", 300, "COM_SHOPS"),
        ("leisure=garden", 116, "-"),
        ("leisure=garden", 900, "GRN_POCKET|GRN_BLOCK"),
        ("emergency=assembly_point", 60_000, "SAF_SHELTER_L"),
        ("emergency=assembly_point", 900, "SAF_SHELTER_E"),
        ("power=substation", None, "-"),
        ("power=substation", 20, "-"),
        ("power=substation", 400, "MUN_SWITCH"),
    ],
)
def test_size_against_the_scale_of_the_pack(tags: str, area_m2: float | None, expected: str) -> None:
    assert outcome(by_tags(tags, area_m2=area_m2)) == expected


# --- names beside tags


@pytest.mark.parametrize(
    ("tags", "name", "expected"),
    [
        ("amenity=school", "第一小学", "EDU_PRIMARY"),
        ("amenity=school", "第一小學", "EDU_PRIMARY"),
        ("amenity=school", "实验中学", "EDU_JUNIOR|EDU_SENIOR"),
        ("amenity=school", "实验初级中学", "EDU_JUNIOR"),
        ("amenity=school", "某某高级中学", "EDU_SENIOR"),
        ("amenity=school", "师范大学附属小学", "EDU_PRIMARY"),
        ("amenity=school", "第三小学附属幼儿园", "EDU_KINDER"),
        ("amenity=school", "九年一贯制学校", "EDU_NINEYEAR"),
        ("amenity=school", "职业技术学校", "-"),
        ("amenity=school", "Public School K-8", "EDU_NINEYEAR"),
        ("amenity=school", "Oak Street Elementary School", "EDU_PRIMARY"),
        ("amenity=school", "King Junior High School", "EDU_JUNIOR"),
        ("amenity=school", "Preparatory High School", "EDU_SENIOR"),
        ("amenity=school", "Saint Mary School", "|".join(SCHOOLS)),
        ("amenity=school", "Heart College (historical)", "-"),
        ("amenity=school", "Graduate School of Education", "-"),
        ("amenity=kindergarten", "阳光托儿所", "EDU_NURSERY"),
        ("amenity=kindergarten", "阳光小学", "EDU_KINDER|EDU_PRIMARY"),  # tag and name disagree
        ("amenity=clinic", "东湖社区卫生服务站", "MED_CHS"),
        ("amenity=clinic", "Community Health Center", "MED_CHC"),
        ("amenity=clinic", "某某口腔门诊部", "-"),
        ("amenity=hospital", "花山社区卫生服务中心", "MED_CHC"),
        ("amenity=hospital", "爱心宠物医院", "-"),
        ("amenity=hospital", "Animal Hospital", "-"),
        ("amenity=hospital", "人民医院", "MED_HOSPITAL"),
        ("amenity=hospital", "人民医院(已搬迁)", "-"),
        ("amenity=community_centre", "花山街道社区服务中心", "ADM_SSC"),
        ("amenity=community_centre", "文化活动中心", "CUL_CENTER"),
        ("amenity=community_centre", "社区党群服务中心", "ADM_PARTY_COMM"),
        ("amenity=police", "花山派出所", "ADM_POLICE"),
        ("amenity=police", "社区警务室", "ADM_POLICEROOM"),
        ("amenity=police", "市公安局", "-"),
        ("amenity=police", None, "ADM_POLICE|ADM_POLICEROOM"),
        ("office=government", "花山街道办事处", "ADM_STREET"),
        ("office=government", "司法所", "ADM_JUSTICE"),
        ("office=government", "外灘郵政", "COM_POST"),
        ("office=government", "税务局", "-"),
        ("amenity=fire_station", "二级消防站", "SAF_FIRE2"),
        ("amenity=fire_station", "微型消防站", "SAF_MICROFIRE"),
        ("shop=supermarket", "FamilyMart", "COM_STORE"),
        ("shop=supermarket", "全家便利店", "COM_STORE"),
        ("leisure=sports_centre", "Bikram Yoga", "SPO_CLUB"),
        ("leisure=sports_centre", "全民健身中心", "SPO_FITNESS"),
        ("leisure=park", "植物园", "-"),
        ("amenity=bus_station", "某某地铁站", "TRA_METRO|TRA_TERMINAL"),
        ("amenity=bank", "中国银行ATM", "-"),
        # a name never makes a school of what is something else
        ("highway=bus_stop", "第一小学", "TRA_BUS"),
        ("amenity=restaurant", "幼儿园对面小吃", "COM_FOOD"),
        ("amenity=parking", "人民医院停车场", "TRA_PARKING"),
        ("shop=stationery", "第一小学文具店", "-"),
        ("leisure=playground", "中山公园", "SPO_KIDSOLD"),
        ("building=yes", "第一小学", "-"),
        ("place=quarter", "中山公园", "-"),
    ],
)
def test_names_narrow_or_overrule_only_where_reviewed(tags: str, name: str | None, expected: str) -> None:
    assert outcome(by_tags(tags, name=name)) == expected


def test_size_goes_before_the_name() -> None:
    assert by_tags("leisure=park", name="口袋公园", area_m2=9_000).type == "GRN_PARK5"
    assert by_tags("leisure=park", name="口袋公园").type == "GRN_POCKET"


# --- categories


@pytest.mark.parametrize(
    ("category", "name", "expected"),
    [
        # codes and names of the pack
        ("EDU_KINDER", None, "EDU_KINDER"),
        ("edu_kinder", "第一小学", "EDU_KINDER"),
        ("MED_HOSPITAL", "花山社区卫生服务中心(已搬迁)", "MED_HOSPITAL"),  # a code is a decision
        ("综合医院", "花山社区卫生服务中心", "MED_CHC"),  # a word is not
        ("幼儿园", "阳光托育园", "EDU_NURSERY"),
        ("社区卫生服务中心", None, "MED_CHC"),
        ("Kindergarten", None, "EDU_KINDER"),
        ("老年服务站", None, "ELD_STATION"),
        ("ELD_FLOORAREA", None, "-"),  # a total is no place
        # tags and values
        ("amenity=school", "第一小学", "EDU_PRIMARY"),
        ("amenity/pharmacy", None, "MED_PHARMACY"),
        ("school", None, "|".join(SCHOOLS)),
        ("school", "Wilmington Park Elementary School", "EDU_PRIMARY"),
        ("bus_stop", "Elementary School", "TRA_BUS"),
        ("supermarket", "Lawson", "COM_STORE"),
        ("station", None, "TRA_METRO"),
        ("place_of_worship", "Park", "-"),
        # paths
        ("科教文化服务;学校;小学", None, "EDU_PRIMARY"),
        ("科教文化服务;学校;小学", "光谷第一幼儿园", "EDU_KINDER|EDU_PRIMARY"),
        ("科教文化服务;学校;中学", "第二初级中学", "EDU_JUNIOR"),
        ("科教文化服务;学校;高等院校", "武汉大学", "-"),
        ("生活服务;邮局;邮局", None, "COM_POST"),
        ("生活服务;邮局", None, "COM_POST"),
        ("医疗保健服务;综合医院;三级甲等医院", None, "MED_HOSPITAL"),
        ("医疗保健服务;综合医院;综合医院", "花山社区卫生服务中心", "MED_CHC"),
        ("医疗保健服务;诊所;诊所", None, "MED_OUTPATIENT"),
        ("医疗保健服务;动物医疗场所;宠物诊所", None, "-"),
        ("购物服务;便民商店/便利店;便民商店/便利店", None, "COM_STORE"),
        ("交通设施服务;地铁站;出入口", "光谷广场A口", "-"),
        ("交通设施服务;停车场;停车场出入口", None, "-"),
        ("政府机构及社会团体;政府机关;乡镇级政府及事业单位", "花山街道办事处", "ADM_STREET"),
        ("风景名胜;公园广场;公园", None, "|".join(PARKS)),
        ("141203", None, "EDU_PRIMARY"),
        ("餐饮服务;中餐厅;火锅店", None, "COM_FOOD"),
        ("公司企业;公司;公司|生活服务;邮局;邮局", None, "COM_POST"),  # two categories in one cell
        ("銀髮族服務;日間照顧中心", None, "ELD_DAYCARE"),
        ("身障機構;日間服務機構", "發展中心(日間照顧)", "-"),
        # plain words
        ("菜市场", None, "COM_MARKET"),
        ("公厕", None, "MUN_TOILET"),
        ("HEALTH_HealthClinics", None, "|".join(CLINICS)),
        ("LANDMARK_PublicSchools", "High School Extension Program", "EDU_SENIOR"),
        ("Baseball (Little League)", "Riverside Park", "SPO_LARGE|SPO_MEDIUM|SPO_SMALL"),
        # nothing said: the name alone, if it ends with the word
        ("设施", "光谷第二小学", "EDU_PRIMARY"),
        ("POI", "光谷第二小学(东校区)", "EDU_PRIMARY"),
        (None, "光谷第二小学文具店", "-"),
        (None, "光谷第二小学东门", "-"),
        (None, "花山派出所", "ADM_POLICE"),
        (None, "Oak Street Elementary School", "EDU_PRIMARY"),
        (None, "Elementary School Cafe", "-"),
        (None, "光谷广场(公交站)", "TRA_BUS"),
        (None, "未来学校(小学部)", "EDU_PRIMARY"),
        (None, "文具店(近小学)", "-"),
        (None, "光谷未来学校", "|".join(SCHOOLS)),
        (None, "光谷驾驶学校", "-"),
        (None, "九峰国家森林公园", "-"),
        (None, "建设银行24小时自助银行", "-"),
        (None, "学校食堂", "-"),
        (None, None, "-"),
        ("", "", "-"),
        ("公司企业;公司;公司", "某某小学", "-"),
    ],
)
def test_categories(category: str | None, name: str | None, expected: str) -> None:
    assert outcome(by_category(category, name=name)) == expected


@pytest.mark.parametrize(
    ("tags", "category", "expected"),
    [
        ("amenity=school isced:level=1", "school", "EDU_PRIMARY"),  # what both allow
        ("amenity=clinic", "社区卫生服务站", "MED_CHS"),
        ("amenity=bank", "学校", "EDU_PRIMARY|EDU_JUNIOR|EDU_NINEYEAR|EDU_SENIOR|COM_BANK"),  # they disagree
        ("amenity=bank", "EDU_KINDER", "EDU_KINDER"),  # a code is a decision
        ("office=617-349-4800", "library", "CUL_CENTER|CUL_STATION"),  # a column that only looks like a tag
        ("closed=0 planned=no built=1998", "pharmacy", "MED_PHARMACY"),
        ("closed=true", "pharmacy", "-"),
        ("amenity=pharmacy", "kx-77", "MED_PHARMACY"),
        ("amenity=pharmacy", "其他", "MED_PHARMACY"),
    ],
)
def test_tags_beside_a_category(tags: str, category: str, expected: str) -> None:
    pairs = dict(pair.split("=", 1) for pair in tags.split())
    assert outcome(recognise(tags=pairs, category=category, pack=PACK)) == expected


def test_a_category_nobody_understands_says_so() -> None:
    found = by_category("kx-77")
    assert (found.type, found.candidates) == (None, ())
    assert "kx-77 is not understood" in found.basis


def test_every_facility_type_is_reached_by_its_code_and_its_chinese_name() -> None:
    for row in PACK.facility_types:
        assert by_category(row.code).type == row.code
        assert by_category(row.name_zh).type == row.code, row.name_zh


def test_every_tag_set_of_the_pack_keeps_its_type_unless_a_reviewed_rule_stands_in_its_place() -> None:
    reviewed = {frozenset(row["match"].split("+")) for row in read_csv("recognition.csv") if row["kind"] == "osm"}
    for row in PACK.facility_types:
        for tags in row.tag_sets:
            if frozenset(f"{key}={value}" for key, value in tags) in reviewed:
                continue
            assert row.code in recognise(tags=dict(tags), pack=PACK).candidates, tags


def test_a_city_that_renames_a_type_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "city.csv"
    path.write_text("code,name_zh,osm_tags\nEDU_KINDER,幼儿学园,amenity=preschool_x\n", encoding="utf-8")
    pack = read_pack(city_file=path)
    assert recognise(tags={}, category="幼儿学园", pack=pack).type == "EDU_KINDER"
    assert recognise(tags={"amenity": "preschool_x"}, pack=pack).type == "EDU_KINDER"
    assert by_tags("amenity=preschool_x").candidates == ()


# --- the reviewed table itself


def test_the_table_is_well_formed_and_states_each_rule_once() -> None:
    rows = read_csv("recognition.csv")
    read_rules(PACK)
    tag_rules = [
        (frozenset(row["match"].split("+")), row["area_min_m2"], row["area_max_m2"])
        for row in rows
        if row["kind"] == "osm"
    ]
    assert len(set(tag_rules)) == len(tag_rules)
    words = [fold(word) for row in rows if row["kind"] == "cat" for word in row["match"].split("|")]
    assert len(set(words)) == len(words)
    families = {code.partition("_")[0] + "_" for code in PACK.codes}
    for row in rows:
        for word in filter(None, row["within"].split("|")):
            assert word in {"@cat", "@name"} | families | PACK.codes, row
        if row["kind"] in ("en", "veto-en", "closed-en"):
            assert not re.compile(row["match"]).search(""), row


def test_ladders_are_steps_of_different_size() -> None:
    for ladder in read_rules(PACK).ladders:
        least = [recognise(tags={}, category=code, pack=PACK).type for code in ladder]
        assert least == list(ladder)
        assert len(ladder) >= 2


@pytest.mark.parametrize(
    ("text", "folded"),
    [("第一小學", "第一小学"), ("ＡＢＣ　Ｓchool", "abc school"), ("  a \t b ", "a b"), ("衛生所", "卫生所"), ("", "")],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_category_words_are_taken_apart() -> None:
    assert fold_category("HEALTH_HealthClinics") == "health health clinics"
    assert split_values("0;1-3, 5") == {"0", "1-3", "1", "2", "3", "5"}


# --- frames


def test_a_frame_gives_what_single_objects_give() -> None:
    frame = pd.DataFrame(
        {
            "type": ["school", "school", None, "park", 141204.0, "EDU_KINDER"],
            "name": ["第一小学", None, "花山派出所", "x", None, float("nan")],
            "area_m2": [None, None, None, 9_000.0, None, 3.0],
        },
        index=[10, 11, 12, 13, 14, 10],
    )
    found = recognise_frame(frame, PACK)
    assert list(found.columns) == ["type", "type_candidates", "type_basis"]
    assert list(found.index) == [10, 11, 12, 13, 14, 10]
    assert list(found["type"]) == ["EDU_PRIMARY", None, "ADM_POLICE", "GRN_PARK5", "EDU_KINDER", "EDU_KINDER"]
    assert found["type_candidates"].iloc[1] == list(SCHOOLS)
    assert all(found["type_basis"])


def test_a_frame_of_tags_alone() -> None:
    tags = [{"amenity": "bank", "note": "a"}, {"amenity": "bank", "note": "b"}, {}, {"leisure": "pitch"}]
    found = recognise_frame(pd.DataFrame({"tags": tags}), PACK)
    assert list(found["type"]) == ["COM_BANK", "COM_BANK", None, None]
    assert list(map(len, found["type_candidates"])) == [1, 1, 0, 3]


def test_an_empty_frame_keeps_its_columns() -> None:
    found = recognise_frame(pd.DataFrame({"type": []}), PACK)
    assert list(found.columns) == ["type", "type_candidates", "type_basis"]
    assert len(found) == 0
