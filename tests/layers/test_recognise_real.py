"""Recognition of facility types on real objects that a person has labelled: precision, recall, and what stays open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from layers.catalog import read_pack
from layers.loading.recognise import recognise
from tests.layers.real_objects import read_items, read_labels

if TYPE_CHECKING:
    from pathlib import Path

PACK = read_pack()


@pytest.fixture(scope="module")
def scored(real_data: Path) -> pd.DataFrame:
    """Return every labelled object with what the recogniser says of it."""
    labels = read_labels()
    items = read_items(real_data, labels)
    rows = []
    for label in labels:
        item = items[label.file, label.row_id]
        found = recognise(tags=item.tags, name=item.name, category=item.category, area_m2=item.area_m2, pack=PACK)
        rows.append(
            {
                "draw": label.draw,
                "kind": label.kind,
                "is_decided": found.type is not None,
                "is_right": label.kind == "type" and found.type == label.types[0],
                "is_open": found.type is None and bool(label.types) and set(label.types) <= set(found.candidates),
                "is_silent": not found.candidates,
                "text": f"{label.file} {label.row_id}: {label.types} / {found.candidates}",
            }
        )
    return pd.DataFrame(rows)


@pytest.mark.real
@pytest.mark.parametrize("draw", [1, 2])
def test_precision_and_recall_on_real_objects(scored: pd.DataFrame, draw: int) -> None:
    """Hold the figures on objects of seven places, drawn by hash and read one by one.

    Draw 1 (443 objects, most of them chosen to be hard) was labelled before there was a recogniser, draw 2 (229
    objects) after its rules stood. At the first sight of draw 2 precision was 0.966 (84 of 87 decided) and recall
    0.923 (84 of 91 that have a type). What is missed is mostly not in the row: a railway station whose file dropped
    that it is a metro, Finnish words for school levels, local names of children's services.
    """
    drawn = scored[scored["draw"] == draw]
    decided = drawn[drawn["is_decided"]]
    wrong = decided[~decided["is_right"]]
    typed = drawn[drawn["kind"] == "type"]
    missed = typed[~typed["is_right"]]
    assert len(decided) >= 80
    assert 1 - len(wrong) / len(decided) >= 0.95, list(wrong["text"])
    assert 1 - len(missed) / len(typed) >= 0.9, list(missed["text"])


@pytest.mark.real
def test_ties_stay_open_and_other_things_stay_out(scored: pd.DataFrame) -> None:
    uncertain = scored[scored["kind"] == "uncertain"]
    nothing = scored[scored["kind"] == "none"]
    assert len(uncertain) + len(nothing) > 300
    assert uncertain["is_open"].mean() >= 0.9, list(uncertain[~uncertain["is_open"]]["text"])
    assert not nothing["is_decided"].any(), list(nothing[nothing["is_decided"]]["text"])
    assert nothing["is_silent"].mean() >= 0.95, list(nothing[~nothing["is_silent"]]["text"])
