"""What is over is not looked at again, unless it changes all the same; and nothing is remembered of who is gone."""

from __future__ import annotations

from tuning_operator.kube import openings


def closed(*numbers: int) -> openings.Openings[str]:
    made: openings.Openings[str] = openings.Openings()
    for number in range(4):
        made.touch("job", number)
    for number in numbers:
        made.close("job", number)
    return made


def test_a_closed_trial_is_not_looked_at_again() -> None:
    assert closed(0, 2).open("job") == [1, 3]


def test_a_closed_trial_that_changes_opens_all_and_says_so() -> None:
    doors = closed(0, 1, 2)
    before = doors.epoch("job")
    doors.touch("job", 3)
    assert doors.epoch("job") == before
    doors.touch("job", 1)
    assert doors.open("job") == [0, 1, 2, 3]
    assert doors.epoch("job") > before


def test_a_closed_trial_that_is_gone_opens_the_others() -> None:
    doors = closed(0, 1)
    before = doors.epoch("job")
    doors.drop("job", 0)
    assert doors.open("job") == [1, 2, 3]
    assert doors.epoch("job") > before


def test_nothing_is_kept_of_who_is_gone() -> None:
    doors = closed(0)
    doors.forget("job")
    assert len(doors) == 0
    doors = closed(0, 1)
    for number in range(4):
        doors.drop("job", number)
    assert len(doors) == 0
    assert doors.epoch("job") == 0
