"""Object storage: only moto's S3, not accessible to web pages, with state that survives its process."""

from __future__ import annotations

import base64
import json
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from tests.support.buckets import start_object_storage
from tests.support.fake_server import FakeServer
from tests.support.local_scaleway import HTTP, Server
from tests.support.ports import free_port

BUCKET = "snu-state"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def s3_client(url: str, service: str = "s3") -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # a variable, where the stubs list names
        endpoint_url=url,
        region_name="fr-par",
        aws_access_key_id="SCWLOCALOWNER0000001",
        aws_secret_access_key="fake",
    )


def make_bucket(s3: Any, *, versioned: bool = False) -> None:
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "fr-par"})
    if versioned:
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def start(data: Path) -> Server:
    return Server(data, "--object-storage-port", str(free_port()))


def restarted(server: Server, by: signal.Signals = signal.SIGTERM) -> Any:
    server.stop(by)
    server.start()
    return s3_client(start_object_storage(server.client()))


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running object storage, for tests that change nothing."""
    with start(tmp_path_factory.mktemp("storage") / "data") as server:
        url = start_object_storage(server.client())
        s3 = s3_client(url)
        make_bucket(s3)
        s3.put_object(Bucket=BUCKET, Key="a/b c", Body=b"\x00state")
        yield url


@pytest.fixture
def untouched(storage: str) -> Iterator[str]:
    """State that attacks must not change."""
    yield storage
    s3 = s3_client(storage)
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [BUCKET]
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["a/b c"]


# --- what is served ----------------------------------------------------------------------------------------


def signed_for(service: str) -> dict[str, str]:
    credential = f"AKIA/20260101/us-east-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("POST", "/moto-api/reset", {}, ""),
        ("POST", "/moto-api/reset", {"Content-Type": "text/plain"}, ""),
        ("POST", "/moto-api/recorder/start-recording", {}, ""),
        ("POST", "/moto-api/recorder/upload-recording", {}, "[]"),
        ("POST", "/moto-api/recorder/replay-recording", {}, ""),
        ("POST", "/moto-api/seed?a=1", {}, ""),
        ("GET", "/moto-api/data.json", {}, ""),
        ("GET", "/moto-api", signed_for("moto_api"), ""),
        ("GET", "/latest/meta-data/iam/security-credentials/x", {}, ""),
        ("POST", "/", FORM, "Action=AssumeRoleWithSAML&Version=2011-06-15&RoleArn=arn:aws:iam::1:role/x"),
        ("POST", "/", FORM, "Action=CreateDomain&Version=2009-04-15&DomainName=x"),
        ("POST", "/?Action=CreateQueue&QueueName=x", FORM | signed_for("sqs"), ""),
        ("POST", "/", FORM | signed_for("iam"), "Action=CreateUser&UserName=x&Version=2010-05-08"),
        ("POST", "/", {"X-Amz-Target": "DynamoDB_20120810.ListTables"} | signed_for("dynamodb"), "{}"),
        ("POST", "/", {"X-Amz-Target": "AWSCognitoIdentityProviderService.SignUp"}, "{}"),
        ("POST", "/2015-03-31/functions", signed_for("lambda"), '{"FunctionName": "x"}'),
        ("GET", "/2015-03-31/functions", signed_for("lambda"), ""),
        ("GET", "/lambda_us-east-1/2015-03-31/functions", {}, ""),
        ("GET", "/us-east-1_abc/.well-known/jwks.json", {}, ""),
        ("GET", "/v20180820/accesspoint", signed_for("s3"), ""),
    ],
)
def test_nothing_but_s3_is_served(untouched: str, method: str, path: str, headers: dict[str, str], body: str) -> None:
    answer = HTTP.request(method, untouched + path, headers=headers, content=body)
    assert answer.status_code >= 400
    assert "<Error>" in answer.text or not answer.text, answer.text


@pytest.mark.parametrize(
    ("service", "call", "arguments"),
    [
        ("sqs", "create_queue", {"QueueName": "x"}),
        ("lambda", "list_functions", {}),
        ("dynamodb", "list_tables", {}),
        ("sts", "get_caller_identity", {}),
        ("ec2", "describe_instances", {}),
    ],
)
def test_clients_of_other_services_are_rejected(
    untouched: str, service: str, call: str, arguments: dict[str, str]
) -> None:
    with pytest.raises(ClientError):
        getattr(s3_client(untouched, service), call)(**arguments)


# --- web pages ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"Origin": "https://evil.example"}, "https://evil.example"),
        ({"Origin": "null"}, "Origin"),
        ({"Origin": "http://127.0.0.1:8422"}, "Origin"),
        ({"Host": "evil.example"}, "evil.example"),
        ({"Host": "api.local.snu.localhost:8422"}, "api.local.snu.localhost"),
        ({"Host": "localhost.evil.example"}, "localhost.evil.example"),
        ({"Host": "sqs.us-east-1.amazonaws.com"}, "sqs.us-east-1.amazonaws.com"),
        ({"Host": "s3-control.us-east-1.amazonaws.com"}, "s3-control"),
        ({"Sec-Fetch-Site": "cross-site"}, "cross-site"),
        ({"Sec-Fetch-Site": "same-site"}, "same-site"),
        ({"Sec-Fetch-Site": "<x>"}, "&lt;x&gt;"),
    ],
)
def test_web_pages_are_rejected(untouched: str, headers: dict[str, str], named: str) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", f"/{BUCKET}/a/b%20c"),
        ("PUT", "/another-bucket"),
        ("POST", "/moto-api/reset"),
        ("DELETE", f"/{BUCKET}/a/b%20c"),
        ("OPTIONS", f"/{BUCKET}"),
    ):
        answer = HTTP.request(method, untouched + path, headers=headers)
        assert answer.status_code == 403
        assert "<Code>AccessDenied</Code>" in answer.text
        assert named in answer.text
        assert "expected" in answer.text
        assert not any(name.startswith("access-control-") for name in answer.headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost"},
        {"Host": "LOCALHOST:1"},
        {"Host": "[::1]:8422"},
        {"Host": "127.1.2.3"},
    ],
)
def test_programs_and_direct_navigation_are_accepted(storage: str, headers: dict[str, str]) -> None:
    answer = HTTP.get(f"{storage}/{BUCKET}/a/b%20c", headers=headers | signed_for("s3"))
    assert (answer.status_code, answer.content) == (200, b"\x00state")


# --- what survives -----------------------------------------------------------------------------------------


def snapshot(s3: Any) -> Any:
    versions = s3.list_object_versions(Bucket=BUCKET)
    return [
        (each["Key"], each["VersionId"], each.get("ETag"), each["IsLatest"], each["LastModified"])
        for each in versions["Versions"] + versions.get("DeleteMarkers", [])
    ]


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_objects_and_versions_survive(tmp_path: Path, by: signal.Signals) -> None:
    with start(tmp_path / "data") as server:
        s3 = s3_client(start_object_storage(server.client()))
        make_bucket(s3, versioned=True)
        first = s3.put_object(Bucket=BUCKET, Key="a/b c%2F+é", Body=b"\x00one")
        s3.put_object(Bucket=BUCKET, Key="a/b c%2F+é", Body=b"two")
        s3.put_object(Bucket=BUCKET, Key="gone", Body=b"gone", Metadata={"of": "x"})
        s3.delete_object(Bucket=BUCKET, Key="gone")
        removed = s3.put_object(Bucket=BUCKET, Key="a version", Body=b"removed")
        s3.put_object(Bucket=BUCKET, Key="a version", Body=b"kept")
        s3.delete_object(Bucket=BUCKET, Key="a version", VersionId=removed["VersionId"])
        s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "a version"})
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key="large")["UploadId"]
        part = {"Bucket": BUCKET, "Key": "large", "UploadId": upload, "PartNumber": 1}
        tag = s3.upload_part(**part, Body=b"x" * 100_000)["ETag"]
        before = snapshot(s3)
        s3 = restarted(server, by)
        assert snapshot(s3) == before
        old = s3.get_object(Bucket=BUCKET, Key="a/b c%2F+é", VersionId=first["VersionId"])
        assert (old["Body"].read(), old["ETag"]) == (b"\x00one", first["ETag"])
        parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
        s3.complete_multipart_upload(Bucket=BUCKET, Key="large", UploadId=upload, MultipartUpload=parts)
        s3 = restarted(server, by)
        assert s3.get_object(Bucket=BUCKET, Key="large")["Body"].read() == b"x" * 100_000
        assert s3.get_object(Bucket=BUCKET, Key="a/b c%2F+é")["Body"].read() == b"two"


def test_conditional_writes_survive_a_restart(tmp_path: Path) -> None:
    def is_refused(**condition: str) -> bool:
        try:
            s3.put_object(Bucket=BUCKET, Key="lock", Body=b"other", **condition)
        except ClientError as error:
            return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == 412)
        return False

    with start(tmp_path / "data") as server:
        s3 = s3_client(start_object_storage(server.client()))
        make_bucket(s3)
        tag = s3.put_object(Bucket=BUCKET, Key="lock", Body=b"mine", IfNoneMatch="*")["ETag"]
        for _ in range(2):
            assert is_refused(IfNoneMatch="*")
            assert is_refused(IfMatch='"0123456789abcdef0123456789abcdef"')
            s3 = restarted(server)
            assert s3.get_object(Bucket=BUCKET, Key="lock")["Body"].read() == b"mine"
        assert not is_refused(IfMatch=tag)


def test_a_reset_empties_it_permanently(tmp_path: Path) -> None:
    with start(tmp_path / "data") as server:
        s3 = s3_client(start_object_storage(server.client()))
        make_bucket(s3)
        server.client()("POST", "/_local/reset")
        assert s3.list_buckets()["Buckets"] == []
        make_bucket(s3)
        s3.put_object(Bucket=BUCKET, Key="after", Body=b"reset")
        s3 = restarted(server)
        assert [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["after"]
        server.stop()
        server.start()
        server.client()("POST", "/_local/reset")
        assert s3_client(start_object_storage(server.client())).list_buckets()["Buckets"] == []


def test_the_journal_is_private_and_a_torn_end_is_dropped(tmp_path: Path) -> None:
    with start(tmp_path / "data") as server:
        s3 = s3_client(start_object_storage(server.client()))
        make_bucket(s3)
        s3.put_object(Bucket=BUCKET, Key="kept", Body=b"1")
        server.stop(signal.SIGKILL)
        journal = server.data / "object-storage-journal.jsonl"
        assert stat.S_IMODE(journal.stat().st_mode) == 0o600
        whole = journal.read_bytes()
        journal.write_bytes(whole + whole.splitlines(keepends=True)[-1][:-20])
        server.start()
        s3 = s3_client(start_object_storage(server.client()))
        s3.put_object(Bucket=BUCKET, Key="later", Body=b"2")
        s3 = restarted(server)
        assert [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["kept", "later"]


def test_reads_and_failed_writes_are_not_journaled(tmp_path: Path) -> None:
    with start(tmp_path / "data") as server:
        url = start_object_storage(server.client())
        s3 = s3_client(url)
        make_bucket(s3)
        journal = server.data / "object-storage-journal.jsonl"
        before = journal.read_bytes()
        s3.list_buckets()
        for method, path in (("PUT", "/no-such-bucket/a"), ("POST", "/moto-api/reset"), ("DELETE", "/no-such-bucket")):
            assert HTTP.request(method, url + path).status_code >= 400
        assert journal.read_bytes() == before


@pytest.fixture
def victim() -> Iterator[FakeServer]:
    """Requests to another service, as an uploaded recording could contain them."""
    with FakeServer() as server:
        yield server


def test_recordings_of_earlier_versions_are_converted_without_other_requests(
    tmp_path: Path, victim: FakeServer
) -> None:
    """A web page could have written anything to it."""

    def recorded(method: str, url: str, body: bytes = b"", **headers: str) -> str:
        entry = {"headers": headers, "method": method, "url": url, "body": base64.b64encode(body).decode()}
        return json.dumps(entry | {"body_encoded": True}) + "\n"

    location = b"<CreateBucketConfiguration><LocationConstraint>fr-par</LocationConstraint></CreateBucketConfiguration>"
    data = tmp_path / "data"
    data.mkdir()
    recording = data / "object-storage.jsonl"
    recording.write_text(
        recorded("PUT", f"http://127.0.0.1:8422/{BUCKET}", location, Host="127.0.0.1:8422")
        + recorded("GET", f"http://127.0.0.1:8422/{BUCKET}")
        + recorded("PUT", f"http://127.0.0.1:8422/{BUCKET}/a%2Fb%20c?x-id=PutObject", b"\x00kept")
        + recorded("POST", f"{victim.url}/attack", b"x", Host="evil.example")
        + recorded("PUT", f"{victim.url}/{BUCKET}/attack", b"x", Host="evil.example")
        + recorded("POST", "http://127.0.0.1:8422/2015-03-31/functions", b"{}", **signed_for("lambda"))
        + recorded("POST", "http://127.0.0.1:8422/moto-api/reset")
        + '{"headers": {}, "meth'
    )
    with start(data) as server:
        s3 = s3_client(start_object_storage(server.client()))
        for _ in range(2):
            assert s3.get_object(Bucket=BUCKET, Key="a/b c")["Body"].read() == b"\x00kept"
            assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [BUCKET]
            s3 = restarted(server)
    assert victim.requests == []
    assert not recording.exists()


# --- start -------------------------------------------------------------------------------------------------


def test_reading_its_status_does_not_start_it(tmp_path: Path) -> None:
    with start(tmp_path / "data") as server:
        api = server.client()
        states = [api("GET", "/_local/object-storage") for _ in range(2)]
        assert [(state["running"], state["ready"]) for state in states] == [(False, False)] * 2
        state = states[-1]
        with pytest.raises(httpx.ConnectError):
            HTTP.get(state["url"])
        assert start_object_storage(api) == state["url"]
        assert api("GET", "/_local/object-storage") == {"url": state["url"], "running": True, "ready": True}


def test_it_waits_until_an_earlier_process_releases_its_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as earlier:
        port = earlier.getsockname()[1]
        with Server(tmp_path / "data", "--object-storage-port", str(port)) as server:
            assert server.client()("POST", "/_local/object-storage")["running"]
            time.sleep(0.5)
            earlier.close()
            assert start_object_storage(server.client())


def test_another_program_on_its_port_is_not_mistaken_for_it(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        Server(tmp_path / "data", "--object-storage-port", str(other.getsockname()[1])) as server,
    ):
        api = server.client()
        state = api("POST", "/_local/object-storage")
        deadline = time.monotonic() + 60
        while state["running"] and time.monotonic() < deadline:
            assert not state["ready"]
            time.sleep(0.05)
            state = api("GET", "/_local/object-storage")
        assert (state["running"], state["ready"]) == (False, False)
        assert server.says("in use")


def test_it_starts_with_a_runtime(tmp_path: Path) -> None:
    """On the port after the API's, so that bucket addresses are stable."""
    with Server(tmp_path / "data", "--port", str(free_port())) as server:
        found = server.client()("GET", "/_local/object-storage")
        assert found["url"].rpartition(":")[2] == str(int(server.url.rpartition(":")[2]) + 1)
