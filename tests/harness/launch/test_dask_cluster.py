"""What is named as a Dask scheduler and is none: one line, soon, that says what it is and what to do."""

import re
import struct
import time

import pytest

from harness.launch import dask_cluster
from harness.launch.dask_cluster import check_scheduler
from pivl.errors import UserError
from tests.support.stand_in_servers import closing, page, saying, serving, silent, standing_in

pytest.importorskip("distributed")

REMEDY = "; give the address that dask scheduler prints, as tcp://host:8786"
STRANGERS = {
    "an HTTP server": serving(lambda head: page("200 OK")),
    "an HTTP server that speaks first": saying(page("400 Bad Request")),
    "an SSH server": saying(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    "one that says nothing": silent,
    "a frame of no length": saying(bytes(64)),
    "a frame of 100 GB": saying(struct.pack("<Q", 10**11), bytes(64)),
    "a frame that is none": saying(struct.pack("<Q", 40), bytes(range(40))),
    "a frame that holds no message": saying(
        struct.pack("<3Q", 24, 1, 8), b"\x01\x02\x03\x04\x05\x06\x07\x08"
    ),
    "a number in the place of a greeting": saying(struct.pack("<3Q", 17, 1, 1), b"\x07"),
}


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    """Two seconds at most, not twenty."""
    monkeypatch.setattr(dask_cluster, "PATIENCE", 1.0)


@pytest.mark.parametrize("talk", STRANGERS.values(), ids=STRANGERS)
def test_what_is_no_scheduler_is_said_to_be_none(talk, capfd):
    began = time.monotonic()
    with standing_in(talk) as port:
        expected = f"--scheduler tcp://127.0.0.1:{port}: what listens there is no Dask scheduler (its dashboard's port?)"
        with pytest.raises(UserError, match=f"^{re.escape(expected + REMEDY)}$"):
            check_scheduler(f"tcp://127.0.0.1:{port}")
    assert time.monotonic() - began < 20  # as long as Dask's usual patience
    assert capfd.readouterr() == ("", "")


def test_what_hangs_up_is_no_scheduler_or_nothing_by_how_soon_it_does():
    with standing_in(closing) as port, pytest.raises(UserError, match="no Dask scheduler"):
        check_scheduler(f"tcp://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "127.0.0.1:1", "tcp://[::1]:1", "tcp://nobody.invalid:8786"]
)
def test_where_nothing_is_one_is_to_be_started(address):
    expected = f"--scheduler {address}: no Dask scheduler answers there; start one with dask scheduler"
    with pytest.raises(UserError, match=f"^{re.escape(expected)}$"):
        check_scheduler(address)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:8787", "unknown address scheme 'http' (known schemes: "),
        ("tcp://host", "missing port number in address 'host'"),
        ("scheduler", "missing port number in address 'scheduler'"),
        ("", "missing port number in address ''"),
        ("tcp://host:abc", "invalid literal for int() with base 10: 'abc'"),
        ("tcp://127.0.0.1:65537", "there is no port 65537"),
        (f"tcp://{'h' * 300}:8786", "encoding with 'idna' codec failed"),
        ("tls://host:8786", "Dask's configuration names no certificates for TLS"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(address, reason):
    with pytest.raises(UserError) as caught:
        check_scheduler(address)
    assert str(caught.value).startswith(f"--scheduler {address} is no address for Dask ({reason}")
    assert str(caught.value).endswith(REMEDY)
    assert "\n" not in str(caught.value)


def test_a_password_in_the_address_is_not_repeated():
    with pytest.raises(
        UserError, match=r"^--scheduler tcp://\*\*\*@host:8786 is no address for Dask"
    ) as caught:
        check_scheduler("tcp://reid:s3cret@host:8786")
    assert not {"reid", "s3cret"} & set(re.findall(r"\w+", str(caught.value)))


def test_a_scheduler_is_taken_and_its_worker_is_not(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(dask_cluster, "PATIENCE", 10.0)
    with LocalCluster(n_workers=1, processes=False, protocol="tcp://", dashboard_address=None) as cluster:
        check_scheduler(cluster.scheduler_address)
        (worker,) = cluster.workers.values()
        with pytest.raises(
            UserError, match=re.escape(f"{worker.address}: a Dask worker answers there, not the scheduler")
        ):
            check_scheduler(worker.address)
