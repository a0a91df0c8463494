"""Invented names. Every one is put together from word lists; the city's own name says that it is invented."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CITY_NAME = "云栖市（虚构）"
COUNTY_PREFIX = "9901"
"""First four digits of every area code; no province of China has the number 99."""

DISTRICTS = ("望湖区", "澄江区", "栖霞岭区", "东澜区", "临溪区", "青岚区", "南桥区", "金穗区", "松涛区")
SUBDISTRICTS = (
    "北苑",
    "云帆",
    "锦澜",
    "状元坊",
    "望湖",
    "南津",
    "澄江",
    "听涛",
    "枫桥渡",
    "白鹭洲",
    "青山口",
    "石埠",
    "长堤",
    "紫云",
    "晴川里",
    "梅岭",
    "东篱",
    "凤栖",
    "玉带",
    "鹤鸣",
    "双溪",
    "竹山",
    "桃源里",
    "银杏",
    "龙门渡",
    "金沙",
    "莲花桥",
    "云岭",
    "香樟",
    "三汊口",
    "平湖",
    "红枫",
    "沙河口",
    "星光",
    "落霞",
    "翠岗",
    "天和",
    "迎宾",
    "清江",
    "古渡",
    "月湖",
    "高岗",
    "柳林",
    "海棠",
    "丹桂",
    "朝阳门",
    "永宁",
    "太平桥",
    "新港",
)
"""Without the ending 街道."""

FIRST = "云锦澜翠望金紫青白清和永长安宁康福瑞祥嘉景丽明月星晨曦朝春秋凤鹤鹭松竹梅兰桂柳枫桐荷莲桃杏棠溪泽汀洲渡"
SECOND = "栖湖江河山川岭峰原野林园亭台楼阁桥津浦泉源波涛澄华光辉霞虹岚雅韵和顺乐平阳泰兴盛丰禾穗苑"
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"

STREET_ENDINGS = {
    "trunk": ("环路", "大道"),
    "primary": ("大道", "大街"),
    "secondary": ("路", "街"),
    "tertiary": ("路", "街"),
    "residential": ("路", "街"),
    "living_street": ("巷", "里弄"),
    "footway": ("巷", "巷"),
}
"""Endings for east-west and north-south streets by class."""

NEW_ENDINGS = ("花园", "家园", "雅苑", "公馆", "府", "名邸", "天境", "云庭", "新城", "华庭", "湾", "里")
RESETTLE_ENDINGS = ("佳苑", "新苑", "安居苑", "还建小区", "新居")
FACTORIES = (
    "第二棉纺厂",
    "机床厂",
    "铁路工务段",
    "肉联厂",
    "电机厂",
    "印刷厂",
    "农机厂",
    "邮电局",
    "水利局",
    "第三建筑公司",
    "化肥厂",
    "无线电厂",
    "轴承厂",
    "粮食局",
    "师范学校",
    "地质队",
    "供电局",
    "搪瓷厂",
    "钢管厂",
    "毛巾厂",
    "第一棉纺厂",
    "造纸厂",
    "汽配厂",
    "自来水公司",
    "煤气公司",
    "糖业烟酒公司",
    "第五中学",
    "人民医院",
    "航运公司",
    "针织厂",
    "玻璃厂",
    "水泥厂",
    "仪表厂",
    "电缆厂",
    "制药厂",
    "皮革厂",
    "橡胶厂",
    "染料厂",
    "电池厂",
    "灯泡厂",
    "锅炉厂",
    "阀门厂",
    "水泵厂",
    "柴油机厂",
    "缝纫机厂",
    "自行车厂",
    "手表厂",
    "罐头厂",
    "啤酒厂",
    "面粉厂",
)
STAGES = ("", "二期", "三期", "四期", "五期", "六期", "七期", "八期", "九期", "十期")
RURAL_ENDINGS = ("村", "湾", "庄", "寨", "垸")


def pair_name(number: int) -> str:
    """Return a two-character name; the first 2,000 or so numbers give different ones."""
    spread = number * 787 + 131
    return FIRST[spread % len(FIRST)] + SECOND[(spread // len(FIRST)) % len(SECOND)]


def street_name(number: int, highway: str, *, is_east_west: bool) -> str:
    """Return the name of a street; later numbers repeat names with a cardinal point, as cities do."""
    endings = STREET_ENDINGS.get(highway, ("路", "街"))
    total = len(FIRST) * len(SECOND)
    again = ("", "东", "西", "南", "北", "中", "上", "下", "前", "后")[(number // total) % 10]
    return pair_name(number) + again + endings[0 if is_east_west else 1]


def compound_name(number: int, kind: str, *, large: bool) -> str:
    """Return the name of an estate by its kind.

    Parameters
    ----------
    large
        Whether it belongs to the very large community, whose estates share one name and are numbered.
    """
    if kind == "danwei":
        prefix = "" if number < len(FACTORIES) else pair_name(number // len(FACTORIES) * 37 + 5)
        return f"{prefix}{FACTORIES[number % len(FACTORIES)]}家属院"
    if kind == "dorm":
        return pair_name(number + 300) + "青年公寓"
    if kind == "resettle":
        return pair_name(number) + RESETTLE_ENDINGS[number % len(RESETTLE_ENDINGS)]
    if large and number % 3 != 0:
        series = ("云栖苑", "望湖苑", "锦澜苑")[number % 3]
        return f"{series}{number // 3 + 1}区"
    shift = 900 if kind == "new_tower" else 1500
    return pair_name(number + shift) + NEW_ENDINGS[number % len(NEW_ENDINGS)]


def number_repeats(names: Iterable[str]) -> list[str]:
    """Return the names with 二期, 三期 … added where one comes again, so that each is given once."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        turn = seen.get(name, 0)
        seen[name] = turn + 1
        found.append(name + (STAGES[turn] if turn < len(STAGES) else f"{turn + 1}期"))
    return found


def village_name(number: int) -> str:
    """Return the name of a village."""
    return SURNAMES[number % len(SURNAMES)] + "家" + RURAL_ENDINGS[(number // len(SURNAMES)) % len(RURAL_ENDINGS)]


def community_name(number: int, zone: str) -> str:
    """Return the name of a community, with its ending 社区 or 村."""
    if zone == "E":
        return village_name(number)
    return pair_name(number * 3 + 400) + "社区"
