import os
from itertools import repeat

import pytest

from backend.work.living import machine
from backend.work.workers import own_share
from model.encoder.processor import available_cores

CORES = available_cores()


def _name(machine_id="m", host="h", pid=1):
    return f"shortlist-{machine_id}-{host}-{pid}"


def test_a_lone_worker_has_all_cores():
    assert own_share(_name(), []) == CORES
    assert own_share(_name(), [_name()]) == CORES


@pytest.mark.parametrize("others", [1, 2, 7])
def test_workers_of_one_host_share_its_cores_and_each_has_one_at_least(others):
    alive = [_name(pid=pid) for pid in range(1, 2 + others)]
    assert own_share(_name(), alive) == max(1, CORES // (1 + others))


def test_containers_of_one_machine_share_its_cores_though_their_hosts_have_other_names():
    alive = [_name(host=f"container-{number}") for number in range(2)]
    assert own_share(alive[0], alive) == max(1, len(os.sched_getaffinity(0)) // 2)


def test_workers_of_other_machines_take_nothing():
    assert own_share(_name(), [_name(machine_id=str(number), host=f"h{number}") for number in range(5)]) == CORES


def test_the_digest_of_a_machine_changes_only_with_the_cores_of_the_process():
    assert len(set(repeat(machine(), 2))) == 1
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        here = machine()
        os.sched_setaffinity(0, list(cores)[:1])
        try:
            assert machine() != here
        finally:
            os.sched_setaffinity(0, cores)
