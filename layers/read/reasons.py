"""Why a row was rejected or changed: stable codes with a sentence in Chinese and English."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable code and what it says to a reader of Chinese and of English."""

    code: str
    zh: str
    en: str


def _table(*rows: tuple[str, str, str]) -> dict[str, Reason]:
    return {code: Reason(code, zh, en) for code, zh, en in rows}


REASONS = _table(
    ("row-width", "该行字段数与表头不符", "The row has another number of fields than the header"),
    ("text-undecodable", "文字编码无法识别", "The text cannot be decoded with the file's encoding"),
    ("row-unreadable", "该行无法解析", "The row cannot be parsed"),
    ("id-missing", "缺少编号", "The row has no identity"),
    ("value-missing", "缺少必填字段", "A required value is missing"),
    ("not-a-number", "应为数字", "A number was expected"),
    ("not-whole", "应为整数", "A whole number was expected"),
    ("negative", "不应为负数", "The value must not be negative"),
    ("too-large", "数值超出合理范围", "The value is larger than the column can hold"),
    ("not-a-date", "应为日期", "A date was expected"),
    ("not-a-boolean", "应为是或否", "Yes or no was expected"),
    ("not-a-choice", "不在允许的取值之内", "The value is not one of the allowed words"),
    ("parts-exceed-whole", "分项人数之和大于总人数", "The parts are more than the whole"),
    ("geometry-missing", "缺少空间位置", "The row has no geometry"),
    ("geometry-empty", "几何为空", "The geometry is empty"),
    ("geometry-unreadable", "几何无法解析", "The geometry cannot be parsed"),
    ("geometry-kind", "几何类型不符(点、线、面)", "The geometry is of another kind than the layer needs"),
    ("geometry-unrepairable", "几何无法修复", "The geometry is invalid and repair leaves nothing usable"),
    ("coordinate-missing", "缺少经度或纬度", "Longitude or latitude is missing"),
    ("coordinate-not-a-number", "经纬度不是数字", "Longitude or latitude is not a number"),
    ("coordinate-not-finite", "坐标为 NaN 或无穷大", "A coordinate is NaN or infinite"),
    ("coordinate-out-of-range", "坐标超出范围", "A coordinate lies outside the range of its system"),
    ("coordinate-metres-as-degrees", "坐标是米,却标为度", "The coordinates are metres but were declared degrees"),
    ("coordinate-swapped", "经纬度颠倒", "Longitude and latitude are swapped"),
    ("coordinate-zero", "坐标为 0,0", "The coordinates are 0, 0"),
    ("line-too-short", "线长为零", "The line has no length"),
    ("duplicate-id", "编号重复", "The identity occurs more than once in the file"),
    ("parent-unknown", "上级区域不存在", "The parent area is neither in the file nor loaded"),
    ("parent-unrooted", "上级区域成环或未能收录", "Going up the parents never ends at a root"),
    ("code-scheme", "区划代码位数不符", "The area code is not one of 12 or 15 digits"),
    ("turn-kind", "转向限制类型未知", "The turn ban is of no known kind"),
    ("turn-members", "转向限制缺少起、经、止要素", "The turn ban lacks its way in, its node or its way out"),
    ("turn-via-way", "经由道路的转向限制未处理", "The turn ban goes by way of another way, which is not handled"),
    ("turn-conditional", "限时转向限制未处理", "The turn ban holds at certain times only, which is not handled"),
    ("turn-vehicles", "仅限其他车辆", "The turn ban is for other vehicles alone"),
    ("turn-place", "相关道路不在该节点相接", "The streets of the turn ban do not meet at its node in the extract"),
    (
        "place-missing",
        "没有楼栋号、区域代码或空间位置",
        "Neither a building, an area nor a geometry says where this is",
    ),
)

REPAIRS = _table(
    ("made-valid", "已修复无效几何", "An invalid geometry was made valid"),
    ("ring-closed", "已闭合多边形", "An open ring was closed"),
    ("z-dropped", "已去除高程", "Height values were dropped"),
    ("points-removed", "已去除重复点", "Repeated points were removed"),
    ("parts-dropped", "已去除退化部分", "Parts without area or length were dropped"),
    ("multi-split", "已拆分多部件几何", "A multi-part geometry was split"),
    ("line-to-polygon", "闭合线已转为面", "A closed line became the area it encloses"),
    ("cell-outlined", "已由网格中心点生成六边形", "The centre of a grid cell became the cell's outline"),
    ("value-dropped", "已清空无法识别的可选值", "An optional value that could not be read was left empty"),
    ("value-rounded", "人数已取整(总数不变)", "A fractional count was rounded, totals kept"),
    ("text-cleaned", "已去除控制字符", "Control characters were taken out of a text"),
)
