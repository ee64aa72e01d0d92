"""Object storage is moto's, and its state survives a restart."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import boto3

from tests.api.server import Server
from tests.support.project import free_port


def test_objects_survive_a_restart(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def storage(server: Server) -> Any:
        api = server.client()
        for _ in range(300):
            state = api("GET", "/_local/object-storage")
            if state["ready"]:
                break
            time.sleep(0.05)
        return boto3.client(
            "s3",
            endpoint_url=state["url"],
            region_name="fr-par",
            aws_access_key_id="SCWLOCALOWNER0000001",
            aws_secret_access_key="fake",
        )

    with Server(tmp_path / "data", "--object-storage-port", str(port)) as server:
        s3 = storage(server)
        s3.create_bucket(Bucket="snu-state", CreateBucketConfiguration={"LocationConstraint": "fr-par"})
        s3.put_object(Bucket="snu-state", Key="a/b c", Body=b"\x00state")
        server.stop()
        server.start()
        s3 = storage(server)
        assert s3.get_object(Bucket="snu-state", Key="a/b c")["Body"].read() == b"\x00state"
        server.client()("POST", "/_local/reset")
        assert s3.list_buckets()["Buckets"] == []


def test_it_is_there_without_being_asked_for(tmp_path: Path) -> None:
    """On the port after the API's own, so that the addresses of buckets stay as they are."""
    with Server(tmp_path / "data", "--port", str(free_port())) as server:
        found = server.client()("GET", "/_local/object-storage")
        assert found["url"].rpartition(":")[2] == str(int(server.url.rpartition(":")[2]) + 1)
