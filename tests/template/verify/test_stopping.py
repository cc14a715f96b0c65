"""`exact verify` stopped, killed, and run twice at once."""

import json
import os
import shutil
import signal

import pytest
from places import (
    FIRST,
    alive,
    asleep,
    assert_identical,
    environments,
    left_over,
    start,
    verify,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]


STOPS = ((signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGHUP, 1), (signal.SIGINT, 2))


@pytest.mark.parametrize(("signum", "jobs"), STOPS, ids=lambda it: getattr(it, "name", None))
def test_stopped_while_a_stage_runs(signum, jobs, sleepers, undisturbed):
    process = start(undisturbed, "--jobs", str(jobs), *sleepers)
    try:
        assert wait_for(lambda: asleep(undisturbed, jobs))
        process.send_signal(signum)
        told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert told == ("", "exact: stopped; what was rebuilt is removed\n")


def test_what_a_killed_one_left_is_removed_by_the_next(sleepers, undisturbed):
    process = start(undisturbed, sleepers[0])
    try:
        assert wait_for(lambda: asleep(undisturbed))
    finally:
        process.kill()
    process.communicate(timeout=120)
    orphans = alive(undisturbed)
    try:
        assert len(left_over(undisturbed)) == 2
        assert_identical(*verify(undisturbed))
        assert left_over(undisturbed) == []
    finally:
        # They would sleep in a folder that is no more.
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)


def test_two_at_once_make_one_environment(kept, undisturbed):
    # As a process leaves it that is killed while it makes it.
    shutil.rmtree(kept / "bin")
    kept.with_suffix(".made").unlink()
    both = [start(undisturbed, "--json", rev) for rev in ("main", FIRST)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
        assert_identical(*json.loads(out))
    assert len(environments(undisturbed)) == 1
