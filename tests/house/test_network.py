"""The suite runs with the network closed: in this process and in those it starts."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request

import pytest


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("call", ["connect", "connect_ex"])
def test_no_socket_connects(family, call):
    with socket.socket(family) as one, pytest.raises(RuntimeError, match="network closed"):
        getattr(one, call)(("localhost", 9))


def test_libraries_cannot_either():
    with pytest.raises(RuntimeError, match="network closed"):
        urllib.request.urlopen("http://localhost:9/", timeout=1)


def test_nor_can_a_process_that_a_test_starts():
    code = "import socket; socket.socket().connect(('127.0.0.1', 9))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode
    assert "network closed" in done.stderr


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no local sockets on this system")
def test_sockets_of_this_machine_still_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # their names may not be long
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as one:
        server.bind("here")
        server.listen()
        one.connect("here")
        one.sendall(b"x")
        other, _ = server.accept()
        with other:
            assert other.recv(1) == b"x"
