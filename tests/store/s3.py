"""An S3 server in a process of its own, which can be stopped, continued, killed and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

BUCKET = "shared"


class S3:
    """What it holds is in its memory: after `kill` and `start` there is an empty bucket at the same port."""

    PROGRAM = (
        "from moto.server import ThreadedMotoServer\n"
        "import sys, threading, boto3\n"
        "server = ThreadedMotoServer(ip_address='127.0.0.1', port=int(sys.argv[1]), verbose=False); server.start()\n"
        "host, port = server.get_host_and_port(); url = f'http://{host}:{port}'\n"
        "boto3.client('s3', endpoint_url=url, region_name='us-east-1').create_bucket(Bucket=sys.argv[2])\n"
        "print(url, flush=True); threading.Event().wait()\n"
    )

    def __init__(self) -> None:
        self.url = ""
        self.start()

    def start(self) -> None:
        port = self.url.rpartition(":")[2] or "0"
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM, port, BUCKET], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        self.url = next(line.strip() for line in self.process.stdout if line.startswith("http"))

    def stop(self) -> None:
        """It takes requests and does not answer them."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Its port refuses."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    given = {"AWS_ACCESS_KEY_ID": "name", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        server = S3()
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server
        server.kill()
