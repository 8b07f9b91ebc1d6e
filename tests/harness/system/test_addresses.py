"""No user and no password of an address is printed, whoever words the message; and no wait is longer than was said."""

import threading

import pytest

from harness.system.addresses import masked, within, without_login


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://reid:s3cret@127.0.0.1:5055", "http://***@127.0.0.1:5055"),
        ("https://token@host/path", "https://***@host/path"),
        ("postgresql+psycopg://u:p@localhost:1/x", "postgresql+psycopg://***@localhost:1/x"),
        ("postgresql://reid:s3@cre/t@host/x", "postgresql://***@host/x"),
        ("postgresql://reid:http://x@host/x", "postgresql://***@host/x"),
        ("postgresql://reid:a b@host/x", "postgresql://***@host/x"),
        ("postgresql://host/x?user=reid&password=s3cret&sslmode=require", "postgresql://host/x?user=***&password=***&sslmode=require"),
        ("mssql+pyodbc:///?odbc_connect=Server%3Dhost%3BPwd%3Ds3cret", "mssql+pyodbc:///?odbc_connect=Server%3Dhost%3BPwd%3D***"),
        ("reid:s3cret@127.0.0.1:5055", "***@127.0.0.1:5055"),
        ("sqlite:////home/me@lab/x.db", "sqlite:////home/me@lab/x.db"),
        ("/home/me@lab/mlruns", "/home/me@lab/mlruns"),
        ("http://host:5000", "http://host:5000"),
    ],
)  # fmt: skip
def test_an_address_is_shown_without_user_and_password(address, shown):
    assert masked(address) == shown
    assert masked(shown) == shown


def test_what_other_programs_say_of_an_address_is_shown_without_them_too():
    address = "postgresql://reid:s3@cr%20et@host/x"
    said = f"cannot parse {address!r}: user reid, host 's3@cr et@host'; see http://a:b@c/d and reider"
    shown = "cannot parse 'postgresql://***@host/x': user ***, host '***@host'; see http://***@c/d and reider"
    assert without_login(said, address).replace("***@***", "***") == shown
    assert without_login("no address: me@lab.org", "") == "no address: me@lab.org"


def test_an_answer_an_error_or_no_answer_in_time():
    def fail():
        raise KeyError("no")

    assert within(5, lambda: 3) == 3
    with pytest.raises(KeyError):
        within(5, fail)
    late, done = threading.Event(), []
    with pytest.raises(TimeoutError):
        within(0.05, lambda: done.append(late.wait(60)))
    assert not done  # it was not waited for
    late.set()
