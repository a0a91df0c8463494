"""Six months of reported incidents: daily and weekly rhythm, hot places, places that report again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from data.sample_city.plane import bump
from data.sample_city.streams import Purpose, pick_many, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from data.sample_city.plan import Plan

CRS = "EPSG:4326"
FIRST_DAY = "2026-04-01"
DAYS = 183
PER_1000_PEOPLE = 62.0
"""Reports in six months per thousand people."""
UTC_OFFSET = "+08:00"


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of report.

    Parameters
    ----------
    label
        Class as stored: 01-06 are the event classes of GB/T 30428.2, the rest are topics of a 12345 hotline.
    weight
        How often it is reported.
    in_street
        Whether it lies in the street rather than at a home.
    severity
        Weights of severity 1, 2, 3 (3 is worst).
    texts
        Sentences; `{}` is the place.
    """

    label: str
    weight: float
    in_street: bool
    severity: tuple[float, float, float]
    texts: tuple[str, ...]


TOPICS = (
    Topic(
        "01市容环境",
        13.0,
        True,
        (6, 3, 1),
        (
            "{}附近路面有暴露垃圾，无人清理。",
            "{}门口积存建筑垃圾。",
            "{}旁绿化带有大量烟头和塑料袋。",
            "{}有人违规搭建棚屋。",
        ),
    ),
    Topic(
        "02宣传广告",
        5.0,
        True,
        (8, 2, 0),
        ("{}墙面张贴大量小广告。", "{}沿街店铺擅自设置灯箱。", "{}人行道上有废弃横幅。"),
    ),
    Topic(
        "03施工管理",
        7.0,
        True,
        (4, 5, 1),
        ("{}旁工地夜间施工噪声扰民。", "{}施工扬尘大，未见洒水。", "{}道路开挖后未恢复，行人绕行。"),
    ),
    Topic(
        "04街面秩序",
        11.0,
        True,
        (6, 4, 0),
        ("{}门口流动摊贩占道经营。", "{}人行道被电动车占满，行人走车道。", "{}路口有黑车揽客，影响通行。"),
    ),
    Topic(
        "05突发事件",
        3.0,
        True,
        (1, 4, 5),
        (
            "{}附近水管爆裂，路面积水。",
            "{}路面塌陷，已有车辆受损。",
            "{}低洼处积水超过膝盖。",
            "{}树木倒伏压住人行道。",
        ),
    ),
    Topic(
        "06其他事件",
        3.0,
        True,
        (7, 3, 0),
        ("{}有流浪犬聚集。", "{}路灯不亮，夜间出行不便。", "{}井盖松动，车过有响声。"),
    ),
    Topic(
        "12345-物业管理",
        14.0,
        False,
        (5, 4, 1),
        ("{}物业不处理电梯故障，老人无法下楼。", "{}楼道堆物，多次反映未清。", "{}门禁损坏，外人随意进出。"),
    ),
    Topic(
        "12345-噪声扰民",
        10.0,
        False,
        (6, 4, 0),
        ("{}楼下广场舞音量大，影响休息。", "{}楼上深夜装修。", "{}临街商铺外放喇叭。"),
    ),
    Topic(
        "12345-停车管理",
        9.0,
        False,
        (7, 3, 0),
        ("{}消防通道停满车辆。", "{}车位不足，夜间乱停放。", "{}电动车在楼道充电，担心起火。"),
    ),
    Topic(
        "12345-供水供电", 6.0, False, (3, 5, 2), ("{}停水一天未通知。", "{}水压低，高层用不上水。", "{}夜间频繁跳闸。")
    ),
    Topic(
        "12345-教育入学",
        4.0,
        False,
        (4, 5, 1),
        ("{}周边没有公办幼儿园，咨询何时新建。", "{}孩子被分到两公里外小学，接送困难。", "{}学位紧张，希望扩班。"),
    ),
    Topic(
        "12345-医疗养老",
        4.0,
        False,
        (4, 4, 2),
        ("{}老人希望就近开设助餐点。", "{}附近没有社区卫生站，取药不便。", "{}独居老人需要上门照护。"),
    ),
    Topic(
        "12345-公共交通",
        4.0,
        False,
        (7, 3, 0),
        ("{}公交间隔太长，希望加密。", "{}离地铁站远，建议开接驳线。", "{}公交站无遮雨棚。"),
    ),
    Topic("12345-房屋租赁", 4.0, False, (5, 4, 1), ("{}群租房隔断多，存在隐患。", "{}中介不退押金。")),
    Topic(
        "12345-劳动就业", 3.0, False, (5, 4, 1), ("{}附近骑手反映没有休息和充电的地方。", "{}企业拖欠工资，请求协调。")
    ),
)

HOURS = np.array([3, 2, 1, 1, 1, 2, 5, 9, 13, 14, 13, 11, 8, 8, 10, 11, 11, 10, 10, 12, 12, 9, 6, 4], dtype=float)
"""Reports by hour of the day, local time."""
WEEK = np.array([1.16, 1.08, 1.05, 1.04, 1.02, 0.88, 0.77])
"""Reports by day of the week, Monday first."""


def make_incidents(plan: Plan, places: pd.DataFrame, public: pd.DataFrame, *, people: int) -> gpd.GeoDataFrame:
    """Return the incidents layer.

    Parameters
    ----------
    places
        Buildings on the board: u, v, people, name (what a caller would call the place).
    public
        Public street pieces on the board, for what happens in the street.
    people
        People of the city; sets how many reports there are.
    """
    rng = stream(plan.seed, Purpose.INCIDENTS)
    count = max(300, round(people * PER_1000_PEOPLE / 1000.0))
    topic = pick_many(rng, np.array([entry.weight for entry in TOPICS]), count)
    in_street = np.array([entry.in_street for entry in TOPICS])[topic]
    building = pick_many(rng, _heat(plan, places, rng), count)
    u, v = places["u"].to_numpy()[building].copy(), places["v"].to_numpy()[building].copy()
    near = rng.random((count, 2)) * 16.0 - 8.0
    u, v = u + near[:, 0], v + near[:, 1]
    u[in_street], v[in_street] = _move_to_street(public, u[in_street], v[in_street], rng)
    u, v = np.clip(u, 3.0, plan.width_m - 3.0), np.clip(v, 3.0, plan.height_m - 3.0)
    reported, storm = _times(rng, count)
    topic = np.where(storm & (rng.random(count) < 0.6), 4, topic)
    severity = _severities(topic, rng)
    closed_after_h = 2.0 + rng.random(count) ** 3 * 24.0 * np.array([9.0, 14.0, 6.0])[severity - 1]
    closed = reported + (closed_after_h * 3600).astype("timedelta64[s]")
    last = np.datetime64(FIRST_DAY, "s") + np.timedelta64(DAYS, "D")
    is_open = (closed > last) | (rng.random(count) < 0.03)
    order = np.argsort(reported, kind="stable")
    names = places["name"].to_numpy(dtype=object)[building]
    text = [
        f"{entry.texts[int(draw * len(entry.texts))].format(name)}"
        for entry, draw, name in zip([TOPICS[k] for k in topic], rng.random(count), names, strict=True)
    ]
    frame = pd.DataFrame(
        {
            "reported_at": _stamps(reported),
            "class": np.array([entry.label for entry in TOPICS], dtype=object)[topic],
            "severity": severity.astype(str).astype(object),
            "status": np.where(is_open, np.where(rng.random(count) < 0.3, "待受理", "处理中"), "已办结").astype(object),
            "text": text,
            "closed_at": _none_where(is_open, _stamps(closed)),
        }
    ).iloc[order]
    frame.insert(0, "source_id", [f"inc-{number:07d}" for number in range(1, count + 1)])
    at = plan.board.to_degrees(u[order], v[order])
    return gpd.GeoDataFrame(frame.reset_index(drop=True), geometry=shapely.points(at), crs=CRS)


def _heat(plan: Plan, places: pd.DataFrame, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how much each building draws reports: people, hot places, and a few that report again and again."""
    u, v = places["u"].to_numpy(), places["v"].to_numpy()
    weight = places["people"].to_numpy(dtype=float) + 2.0
    spots = 3 + int(plan.width_m * plan.height_m / 2.2e6)
    centre = pick_many(rng, weight, spots)
    for k in centre:
        far2 = (u - u[k]) ** 2 + (v - v[k]) ** 2
        weight = weight * (1.0 + (3.0 + 5.0 * rng.random()) * bump(far2 / 260.0**2))
    again = rng.random(len(weight)) < 0.008
    return np.asarray(np.where(again, weight * 14.0, weight), dtype=np.float64)


def _move_to_street(
    public: pd.DataFrame, u: NDArray[np.float64], v: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Move points to the nearest public street by its middle, then somewhere along it."""
    middle = np.stack([(public["ua"] + public["ub"]) / 2.0, (public["va"] + public["vb"]) / 2.0], axis=1)
    tree = shapely.STRtree(shapely.points(middle))
    piece = public.iloc[tree.nearest(shapely.points(u, v))]
    share = rng.random(len(u))
    new_u = piece["ua"].to_numpy() + share * (piece["ub"] - piece["ua"]).to_numpy()
    new_v = piece["va"].to_numpy() + share * (piece["vb"] - piece["va"]).to_numpy()
    return new_u, new_v


def _times(rng: np.random.Generator, count: int) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Return local times of reports and whether they fall on one of the storm days."""
    first = np.datetime64(FIRST_DAY, "D")
    days = first + np.arange(DAYS)
    weekday = (days.astype("datetime64[D]").astype(np.int64) + 3) % 7
    weight = WEEK[weekday] * (0.9 + 0.2 * rng.random(DAYS))
    storms = rng.integers(60, 140, 5)
    weight[storms] *= 1.9
    day = pick_many(rng, weight, count)
    hour = pick_many(rng, HOURS, count)
    seconds = (hour * 3600 + rng.integers(0, 3600, count)).astype("timedelta64[s]")
    return days[day].astype("datetime64[s]") + seconds, np.isin(day, storms) & (rng.random(count) < 0.55)


def _severities(topic: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return severity 1 to 3 of each report."""
    steps = np.cumsum(np.array([entry.severity for entry in TOPICS], dtype=float), axis=1)
    steps = steps / steps[:, -1:]
    draw = rng.random(len(topic))
    return np.asarray(1 + (draw[:, None] >= steps[topic][:, :2]).sum(axis=1), dtype=np.int64)


def _none_where(hidden: NDArray[np.bool_], values: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return values with None where they do not exist yet."""
    shown = values.copy()
    shown[hidden] = None
    return shown


def _stamps(times: NDArray[np.datetime64]) -> NDArray[np.object_]:
    """Return ISO 8601 text with the zone of China."""
    return np.array([f"{text}{UTC_OFFSET}" for text in np.datetime_as_string(times, unit="s")], dtype=object)
