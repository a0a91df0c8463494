"""Recognition on odd input: whatever a file holds, there is one outcome, and it does not hang on order or noise."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from layers.catalog import read_pack
from layers.loading.recognise import recognise
from tests.layers.test_recognise import PARKS, by_tags, outcome

PACK = read_pack()

_TEXT = st.text(max_size=30) | st.sampled_from(
    ["小学", "第一小学", "Park", "school;;", "a=b", "|", ";", "=", "(", "[", "𠮷"]
)
_TAGS = st.dictionaries(
    st.sampled_from(["amenity", "shop", "leisure", "access", "isced:level", "disused", "highway"])
    | st.text(max_size=8),
    st.sampled_from(["school", "park", "pitch", "kindergarten", "private", "1-9", "9-1", ";", "yes"])
    | st.text(max_size=8),
    max_size=5,
)


@given(tags=_TAGS, name=_TEXT | st.none(), category=_TEXT | st.none(), area_m2=st.floats(0, 1e12) | st.none())
@example(tags={"isced:level": "1-", "amenity": "school"}, name="", category="=", area_m2=None)
@example(tags={"amenity": ""}, name="\x00", category="|;|", area_m2=0.0)
def test_any_object_has_exactly_one_outcome(
    tags: dict[str, str], name: str | None, category: str | None, area_m2: float | None
) -> None:
    found = recognise(tags=tags, name=name, category=category, area_m2=area_m2, pack=PACK)
    assert set(found.candidates) <= {row.code for row in PACK.facility_types}
    assert len(set(found.candidates)) == len(found.candidates)
    assert found.basis
    if found.type is not None:
        assert found.candidates == (found.type,)


@given(tags=_TAGS, name=_TEXT | st.none())
def test_the_order_of_tags_and_tags_nobody_knows_do_not_matter(tags: dict[str, str], name: str | None) -> None:
    first = recognise(tags=tags, name=name, pack=PACK)
    turned = dict(reversed(tags.items()))
    assert recognise(tags=turned, name=name, pack=PACK) == first
    if tags:
        assert recognise(tags={**turned, "source:zz": "survey"}, name=name, pack=PACK) == first


@given(small=st.floats(1, 200_000), more=st.floats(0, 200_000))
def test_a_larger_park_is_never_of_a_lower_class(small: float, more: float) -> None:
    order = ("-", *reversed(PARKS))
    one, two = (outcome(by_tags("leisure=park", area_m2=area_m2)) for area_m2 in (small, small + more))
    assert order.index(one) <= order.index(two)


def test_a_text_of_a_megabyte_is_read_in_bounded_work() -> None:
    name = "police " * 150_000
    found = recognise(tags={"amenity": "police"}, name=name, category="school;" * 100_000, pack=PACK)
    assert "ADM_POLICE" in found.candidates
