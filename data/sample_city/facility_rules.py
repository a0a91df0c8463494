"""How facilities of each type are spread, named, sized and opened in the sample city."""

from __future__ import annotations

from dataclasses import dataclass

from data.sample_city.ledger import Site

GROUPS = "ODRNX"
"""Zone groups of the spacing tables: old centre, work-unit estates, villages, new edge, everything else."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What one facility looks like.

    Parameters
    ----------
    title
        Ending of the Chinese name.
    capacity
        Smallest and largest capacity, in the unit of the standards pack; equal for "sites".
    supply
        Letters drawn from: p public, m market, c contracted, s shared.
    hours
        Opening hours, OSM syntax.
    """

    title: str
    capacity: tuple[float, float]
    supply: str
    hours: str


ALL_DAY = "24/7"
OFFICE = "Mo-Fr 09:00-12:00,13:30-17:30"
HUB = "Mo-Su 08:30-17:30"
CLINIC = "Mo-Su 08:00-20:00"
SHOP = "Mo-Su 08:00-22:00"
EARLY = "Mo-Su 06:00-19:00"
SCHOOL = "Mo-Fr 07:30-17:30"
PARK = "Mo-Su 06:00-22:00"
AFTER_SCHOOL = "Mo-Fr 17:30-21:00; Sa,Su 07:00-19:00"

TRAITS = {
    "EDU_NURSERY": Traits("托育园", (24, 80), "mmp", SCHOOL),
    "EDU_KINDER": Traits("幼儿园", (180, 330), "ppm", SCHOOL),
    "EDU_PRIMARY": Traits("小学", (810, 1480), "p", SCHOOL),
    "EDU_JUNIOR": Traits("初级中学", (900, 1600), "p", SCHOOL),
    "EDU_NINEYEAR": Traits("九年一贯制学校", (1260, 1960), "p", SCHOOL),
    "EDU_SENIOR": Traits("高级中学", (1500, 2700), "p", SCHOOL),
    "EDU_AFTERSCHOOL": Traits("课后托管中心", (30, 90), "mmc", "Mo-Fr 16:00-20:00"),
    "MED_CHC": Traits("社区卫生服务中心", (1400, 3200), "p", CLINIC),
    "MED_OUTPATIENT": Traits("门诊部", (1, 1), "mmp", CLINIC),
    "MED_CHS": Traits("社区卫生服务站", (120, 260), "ppc", HUB),
    "MED_HOSPITAL": Traits("医院", (260, 900), "p", ALL_DAY),
    "MED_EMS": Traits("急救站", (2, 5), "p", ALL_DAY),
    "MED_PHARMACY": Traits("大药房", (1, 1), "m", SHOP),
    "MED_AED": Traits("自动体外除颤器", (1, 1), "p", ALL_DAY),
    "MED_HEALTHPOINT": Traits("健康小屋", (1, 1), "p", HUB),
    "MED_PSY": Traits("社会心理服务站", (1, 1), "pc", OFFICE),
    "ELD_HOME": Traits("养老院", (90, 260), "pmc", ALL_DAY),
    "ELD_NURSING": Traits("老年养护院", (70, 180), "pmc", ALL_DAY),
    "ELD_DAYCARE": Traits("日间照料中心", (200, 700), "pc", HUB),
    "ELD_CENTER": Traits("老年服务中心", (1, 1), "p", HUB),
    "ELD_STATION": Traits("老年服务站", (1, 1), "pc", HUB),
    "ELD_MEAL": Traits("老年助餐点", (40, 160), "c", "Mo-Su 10:30-13:00,16:30-18:30"),
    "CUL_CENTER": Traits("文化活动中心", (2400, 5200), "p", "Tu-Su 09:00-20:30"),
    "CUL_STATION": Traits("文化活动站", (180, 480), "p", HUB),
    "SPO_FITNESS": Traits("全民健身中心", (1800, 5000), "pc", PARK),
    "SPO_LARGE": Traits("运动公园", (3150, 5600), "ps", PARK),
    "SPO_MEDIUM": Traits("球场", (1310, 2460), "ps", PARK),
    "SPO_SMALL": Traits("小球场", (770, 1310), "p", PARK),
    "SPO_OUTDOOR": Traits("健身广场", (150, 750), "p", ALL_DAY),
    "SPO_KIDSOLD": Traits("儿童老人活动场地", (120, 320), "p", ALL_DAY),
    "SPO_EQUIP": Traits("室外健身器械点", (1, 1), "p", ALL_DAY),
    "SPO_CLUB": Traits("健身房", (200, 900), "m", "Mo-Su 09:00-22:00"),
    "ADM_SSC": Traits("街道社区服务中心", (700, 1500), "p", OFFICE),
    "ADM_STREET": Traits("街道办事处", (1, 1), "p", OFFICE),
    "ADM_JUSTICE": Traits("司法所", (1, 1), "p", OFFICE),
    "ADM_POLICE": Traits("派出所", (1, 1), "p", ALL_DAY),
    "ADM_STATION": Traits("社区服务站", (600, 1000), "p", HUB),
    "ADM_PARTY_STREET": Traits("街道党群服务中心", (1, 1), "p", OFFICE),
    "ADM_PARTY_COMM": Traits("社区党群服务站", (1, 1), "p", HUB),
    "ADM_EMBED": Traits("社区嵌入式服务综合体", (600, 1200), "pc", HUB),
    "ADM_POLICEROOM": Traits("社区警务室", (1, 1), "p", ALL_DAY),
    "ADM_PROPERTY": Traits("物业服务中心", (120, 420), "m", HUB),
    "ADM_FORUM": Traits("社区议事厅", (1, 1), "p", HUB),
    "COM_MALL": Traits("购物中心", (3000, 30000), "m", "Mo-Su 10:00-22:00"),
    "COM_MARKET": Traits("生鲜市场", (750, 2500), "mmc", EARLY),
    "COM_SHOPS": Traits("便民商业网点", (1, 1), "m", SHOP),
    "COM_STORE": Traits("便利店", (1, 1), "m", "Mo-Su 07:00-23:00"),
    "COM_PARCEL": Traits("快递驿站", (80, 400), "m", SHOP),
    "COM_POST": Traits("邮政所", (1, 1), "p", "Mo-Sa 09:00-17:00"),
    "COM_BANK": Traits("银行网点", (1, 1), "m", "Mo-Fr 09:00-17:00"),
    "COM_TELECOM": Traits("电信营业厅", (1, 1), "m", "Mo-Su 09:00-18:00"),
    "COM_FOOD": Traits("餐饮店", (1, 1), "m", "Mo-Su 06:30-21:30"),
    "COM_CANTEEN": Traits("社区食堂", (80, 300), "c", "Mo-Su 06:30-08:30,11:00-13:00,17:00-19:00"),
    "TRA_METRO": Traits("地铁站", (1, 1), "p", "Mo-Su 06:00-23:00"),
    "TRA_TERMINAL": Traits("公交首末站", (1, 1), "p", "Mo-Su 05:30-22:30"),
    "TRA_BUS": Traits("公交站", (1, 1), "p", "Mo-Su 05:30-22:30"),
    "TRA_BIKE": Traits("非机动车停车棚", (30, 160), "p", ALL_DAY),
    "TRA_EBIKE": Traits("电动自行车充电棚", (10, 60), "mp", ALL_DAY),
    "TRA_PARKING": Traits("停车场", (40, 320), "m", ALL_DAY),
    "TRA_EV_PUB": Traits("公共充电站", (6, 40), "m", ALL_DAY),
    "MUN_TOILET": Traits("公共厕所", (1, 1), "p", ALL_DAY),
    "MUN_BIN": Traits("生活垃圾分类投放点", (1, 1), "p", ALL_DAY),
    "MUN_COLLECT": Traits("生活垃圾收集站", (1, 1), "p", "Mo-Su 05:00-21:00"),
    "MUN_TRANSFER": Traits("垃圾转运站", (20, 120), "p", ALL_DAY),
    "MUN_RECYCLE": Traits("再生资源回收点", (1, 1), "m", HUB),
    "MUN_GAS": Traits("燃气调压站", (1, 1), "p", ALL_DAY),
    "MUN_SWITCH": Traits("开闭所", (1, 1), "p", ALL_DAY),
    "GRN_PARK15": Traits("公园", (50000, 90000), "p", PARK),
    "GRN_PARK10": Traits("社区公园", (10000, 20000), "p", ALL_DAY),
    "GRN_PARK5": Traits("游园", (4000, 8000), "p", ALL_DAY),
    "GRN_POCKET": Traits("口袋公园", (2000, 3600), "p", ALL_DAY),
    "GRN_BLOCK": Traits("集中绿地", (400, 3000), "p", ALL_DAY),
    "SAF_FIRE1": Traits("一级消防站", (7, 7), "p", ALL_DAY),
    "SAF_FIRE2": Traits("二级消防站", (4, 4), "p", ALL_DAY),
    "SAF_FIRES": Traits("小型消防站", (2, 2), "p", ALL_DAY),
    "SAF_MICROFIRE": Traits("微型消防站", (1, 1), "p", ALL_DAY),
    "SAF_HYDRANT": Traits("市政消火栓", (1, 1), "p", ALL_DAY),
    "SAF_SHELTER_E": Traits("紧急避难场所", (600, 4000), "ps", ALL_DAY),
    "SAF_SHELTER_S": Traits("短期避难场所", (2000, 9000), "ps", ALL_DAY),
    "SAF_SHELTER_M": Traits("中期避难场所", (10000, 18000), "ps", ALL_DAY),
    "SAF_SHELTER_L": Traits("长期避难场所", (50000, 80000), "p", ALL_DAY),
    "SAF_SHELTER_C": Traits("中心避难场所", (200000, 260000), "p", ALL_DAY),
    "SAF_STORE": Traits("应急物资储备点", (1, 1), "p", ALL_DAY),
    "EMP_REST": Traits("新就业群体驿站", (1, 1), "p", "Mo-Su 07:00-22:00"),
    "EMP_JOBS": Traits("就业服务站", (1, 1), "p", OFFICE),
}

NEW_EDGE_CAPACITY = 0.72
"""Capacities on the new edge are this much smaller: it grew faster than its services."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How facilities of one type are chosen among the places for them.

    Parameters
    ----------
    site
        Kind of place.
    every_m
        About one in every square of this side, by zone group O D R N X, metres; 0 for none.
    """

    site: Site
    every_m: tuple[float, float, float, float, float]


AT_SITES = {
    "MED_PHARMACY": Spread(Site.SHOP, (225, 240, 280, 290, 480)),
    "COM_SHOPS": Spread(Site.SHOP, (170, 195, 200, 235, 420)),
    "COM_STORE": Spread(Site.SHOP, (120, 150, 130, 210, 330)),
    "COM_FOOD": Spread(Site.SHOP, (150, 190, 170, 300, 260)),
    "COM_BANK": Spread(Site.SHOP, (420, 480, 620, 720, 420)),
    "COM_TELECOM": Spread(Site.SHOP, (560, 640, 720, 960, 600)),
    "COM_POST": Spread(Site.SHOP, (760, 860, 1000, 1300, 1200)),
    "COM_CANTEEN": Spread(Site.SHOP, (290, 310, 480, 330, 900)),
    "COM_MARKET": Spread(Site.SHOP, (400, 470, 520, 760, 1200)),
    "ELD_MEAL": Spread(Site.SHOP, (275, 300, 460, 325, 900)),
    "EDU_AFTERSCHOOL": Spread(Site.SHOP, (265, 280, 420, 310, 900)),
    "EDU_NURSERY": Spread(Site.SHOP, (280, 290, 460, 315, 900)),
    "SPO_CLUB": Spread(Site.SHOP, (520, 580, 760, 660, 600)),
    "MED_OUTPATIENT": Spread(Site.SHOP, (560, 620, 800, 900, 700)),
    "MED_PSY": Spread(Site.SHOP, (900, 1000, 1300, 1500, 1500)),
    "EMP_REST": Spread(Site.SHOP, (560, 620, 560, 1000, 700)),
    "EMP_JOBS": Spread(Site.SHOP, (900, 1000, 900, 1500, 1200)),
    "COM_PARCEL": Spread(Site.SHOP, (190, 230, 220, 420, 420)),
}
"""Facilities in shops and ground floors."""

HUB_EVERY_M = (265.0, 265.0, 400.0, 280.0, 700.0)
"""One neighbourhood hub in every square of this side, by zone group."""

HUB_TYPES = {
    "ADM_STATION": (1.0, 0.95, 0.8, 0.8, 0.7),
    "ADM_PARTY_COMM": (0.97, 0.95, 0.8, 0.8, 0.7),
    "ADM_POLICEROOM": (0.85, 0.85, 0.7, 0.7, 0.5),
    "ADM_FORUM": (0.8, 0.8, 0.6, 0.65, 0.4),
    "CUL_STATION": (0.9, 0.9, 0.65, 0.75, 0.5),
    "ELD_STATION": (0.9, 0.9, 0.6, 0.65, 0.4),
    "ELD_DAYCARE": (0.8, 0.8, 0.4, 0.6, 0.3),
    "MED_CHS": (0.9, 0.9, 0.75, 0.75, 0.5),
    "MED_HEALTHPOINT": (0.75, 0.8, 0.5, 0.6, 0.3),
    "SAF_MICROFIRE": (0.9, 0.85, 0.9, 0.6, 0.5),
    "SAF_STORE": (0.8, 0.7, 0.6, 0.5, 0.5),
    "ADM_EMBED": (0.35, 0.3, 0.2, 0.2, 0.2),
}
"""Share of hubs that hold each type, by zone group."""

IN_ESTATES = {
    "ADM_PROPERTY": (Site.OFFICE, 0.95),
    "TRA_BIKE": (Site.BIKE, 1.0),
    "TRA_EBIKE": (Site.BIKE, 0.6),
    "TRA_PARKING": (Site.PARKING, 0.9),
    "MUN_BIN": (Site.BIN, 0.92),
    "COM_PARCEL": (Site.LOCKER, 0.9),
    "MED_AED": (Site.OFFICE, 0.5),
    "SPO_EQUIP": (Site.FIT, 0.9),
}
"""Facilities inside estates and open blocks: the kind of place and the share of places used."""

BESIDE_STREETS = {
    "TRA_BUS": (("primary", "secondary", "trunk"), (330.0, 360.0, 400.0, 520.0, 560.0)),
    "MUN_TOILET": (("secondary", "tertiary", "residential"), (240.0, 280.0, 340.0, 325.0, 620.0)),
    "MUN_RECYCLE": (("tertiary", "residential"), (420.0, 460.0, 460.0, 700.0, 900.0)),
    "MUN_COLLECT": (("tertiary", "residential"), (700.0, 760.0, 760.0, 900.0, 1200.0)),
    "MUN_GAS": (("secondary", "tertiary"), (900.0, 950.0, 1000.0, 1000.0, 1400.0)),
    "MUN_SWITCH": (("secondary", "tertiary"), (1500.0, 1500.0, 1600.0, 1500.0, 1900.0)),
    "TRA_EV_PUB": (("secondary", "primary"), (900.0, 850.0, 1200.0, 800.0, 1000.0)),
    "SAF_FIRES": (("secondary", "tertiary"), (1400.0, 1500.0, 1400.0, 1900.0, 2200.0)),
    "SAF_HYDRANT": (("primary", "secondary", "tertiary", "trunk"), (125.0, 130.0, 135.0, 140.0, 190.0)),
    "TRA_PARKING": (("tertiary", "residential"), (220.0, 420.0, 300.0, 600.0, 500.0)),
    "MUN_BIN": (("residential", "living_street"), (85.0, 160.0, 90.0, 260.0, 300.0)),
}
"""Facilities beside streets: street classes and spacing by zone group, metres."""

WITH_STREET_OFFICE = {
    "ADM_SSC": 1.0,
    "ADM_JUSTICE": 0.9,
    "ADM_PARTY_STREET": 1.0,
    "ELD_CENTER": 0.85,
    "EMP_JOBS": 0.7,
    "MED_PSY": 0.6,
}
"""Types that share the house of a subdistrict office, and how often."""

SHELTERS = {
    "SAF_SHELTER_E": ({"GRN_PARK5", "GRN_PARK10", "GRN_POCKET", "SPO_OUTDOOR", "SPO_MEDIUM", "EDU_PRIMARY"}, 0.8),
    "SAF_SHELTER_S": ({"GRN_PARK10", "SPO_MEDIUM", "SPO_LARGE", "EDU_PRIMARY", "EDU_NINEYEAR"}, 0.6),
    "SAF_SHELTER_M": ({"SPO_LARGE", "EDU_JUNIOR", "EDU_NINEYEAR", "GRN_PARK10"}, 0.45),
    "SAF_SHELTER_L": ({"GRN_PARK15", "EDU_SENIOR"}, 0.75),
}
"""Shelters lie on parks, school yards and sports grounds: types of ground and how often."""

COURTS_IN_PARKS = {
    "SPO_OUTDOOR": ({"GRN_PARK5": 0.6, "GRN_PARK10": 0.8, "GRN_PARK15": 0.9}, (0.06, 0.06, 0.42, 0.30)),
    "SPO_SMALL": ({"GRN_PARK10": 0.5, "GRN_PARK15": 0.8}, (0.62, 0.70, 0.92, 0.90)),
}
"""Sports grounds inside parks: how often by type of park, and where: shares of width and height (W, S, E, N)."""

COURTS_IN_ESTATES = {"SPO_OUTDOOR": (0.5, 0.55, 0.95), "SPO_SMALL": (0.2, 0.40, 0.52)}
"""Sports grounds on the greens of estates: how often, and from where to where along the green."""

AS_POLYGON = frozenset({"EDU_KINDER", "ELD_HOME", "TRA_TERMINAL"})
"""Types of kind `point` in the pack whose site is given as a polygon all the same."""
EXTRA_AT_HOSPITAL = {"MED_OUTPATIENT": 0.8, "MED_EMS": 0.7}
PARK_SHARE = {"GRN_PARK15": 0.95, "GRN_PARK10": 0.97, "GRN_PARK5": 1.0, "GRN_POCKET": 1.0}
