"""What a server prepares before it says that it is ready, and what it leaves for later."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from api.study_keeper import StudyKeeper
from geo.errors import Conflict

if TYPE_CHECKING:
    from tests.conftest import Db

PATIENCE_S = 60


def test_it_is_ready_before_what_can_wait(db: Db) -> None:
    keeper = StudyKeeper(db.settings, db.reader)

    def is_ready() -> bool:
        return keeper.is_warm

    assert is_ready()
    go, begun, end, ended = (threading.Event() for _ in range(4))

    def prepare() -> None:
        assert go.wait(PATIENCE_S)
        # nothing has been run yet: that is no fault of a server that starts
        raise Conflict("nothing to prepare")

    def prepare_later() -> None:
        begun.set()
        assert end.wait(PATIENCE_S)
        ended.set()

    keeper.start_warming(then=prepare, later=prepare_later)
    assert not is_ready()
    assert not begun.is_set()
    go.set()
    assert begun.wait(PATIENCE_S)
    assert is_ready()
    end.set()
    assert ended.wait(PATIENCE_S)
